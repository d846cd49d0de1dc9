//! Orgo's effects: files, processes, the object store and the clock.
//!
//! * [`workspace`]: the places of one repository; [`store`]: content by digest, results by key.
//! * [`sources`], [`tools`]: what stages read, known by content.
//! * [`process`], [`sandbox`]: one attempt of one stage.
//! * [`memory`], [`journal`]: what runs leave behind.
//! * [`run`]: carries out what the kernel's scheduler decides.

pub mod clock;
pub mod file;
pub mod journal;
pub mod memory;
pub mod process;
pub mod run;
pub mod sandbox;
pub mod sources;
pub mod store;
pub mod tools;
pub mod workspace;
