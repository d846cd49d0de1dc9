//! Open files, handed from one process to another over a socket.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// How many are handed over at once, at most.
const MOST: usize = 3;

/// Hands open files over; whoever has the other end takes them when he likes.
pub(super) fn give(socket: impl AsFd, files: &[BorrowedFd<'_>]) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    if !message.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(rustix::io::Errno::INVAL);
    }
    sendmsg(socket, &[IoSlice::new(&[0])], &mut message, SendFlags::empty()).map(|_| ())
}

/// Takes what was handed over, and waits for it; nothing, if the other end was closed.
pub(super) fn take(socket: impl AsFd) -> rustix::io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    recvmsg(socket, &mut [IoSliceMut::new(&mut [0])], &mut message, RecvFlags::CMSG_CLOEXEC)?;
    let mut taken = Vec::new();
    for part in message.drain() {
        if let RecvAncillaryMessage::ScmRights(files) = part {
            taken.extend(files);
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_is_handed_over_is_the_same_file() {
        let (mine, theirs) = UnixStream::pair().expect("a pair");
        let mut file = tempfile::tempfile().expect("a file");
        give(&mine, &[file.as_fd()]).expect("handed over");
        let mut taken = take(&theirs).expect("taken");
        std::fs::File::from(taken.pop().expect("one")).write_all(b"x").expect("written");
        let mut text = String::new();
        file.rewind().expect("a file");
        file.read_to_string(&mut text).expect("read");
        assert_eq!(text, "x");
        drop(mine);
        assert!(take(&theirs).expect("closed").is_empty());
    }
}
