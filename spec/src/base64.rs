//! Base64 with one spelling for each content.
//!
//! The decoder that is used reads padded pieces one behind the other (`QQ==QQ==`) as their contents joined, so that a
//! signature could be spelt in many ways.

use data_encoding::BASE64;

/// The content of a text in standard base64 with padding; none for any other text than [`encode`] makes of that.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.len() - text.iter().rposition(|b| *b != b'=').map_or(0, |last| last + 1);
    if text[..text.len() - padding].contains(&b'=') {
        return None;
    }
    BASE64.decode(text).ok()
}

/// Content as standard base64 with padding.
pub(crate) fn encode(content: &[u8]) -> String {
    BASE64.encode(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_has_one_spelling() {
        for content in [&b""[..], b"A", b"AB", b"ABC", b"ABCD"] {
            assert_eq!(decode(encode(content).as_bytes()).as_deref(), Some(content));
        }
        // Pieces with padding of their own, bits that are not used, padding that is missing or too much.
        for text in
            ["QQ==QQ==", "QUI=QUI=", "QQ==QUJD", "QR==", "QQ", "QQ=", "QQ===", "====", "=", "QUJD====", "QU\nJD"]
        {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
    }
}
