//! Reads the crates of the workspace: which way their files point, how long they are, how they are written.
//!
//! ```text
//!   source   every crate's files, as text
//!   tree     the modules of a crate: what each defines, imports and names
//!   names    where a path leads, whoever re-exports it
//!   arrows   which file names what of which other
//!   circles  files that name each other, round about
//!   slices   types that are extended out of their room
//!   floors   the rooms of chat-core, and what each may name
//!   sizes    the lengths of functions and files
//!   prose    the widths and first words of comments
//!   house    all that is wrong, in one list
//!   known    what is wrong still, and may only grow less
//! ```
//!
//! The crate stands on no other crate of the workspace: it reads them also while they do not compile.

#![allow(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "nobody links this crate but the tests of this workspace"
)]

mod arrows;
mod circles;
mod floors;
mod house;
mod known;
mod names;
mod prose;
mod sizes;
mod slices;
mod source;
mod tree;

pub use arrows::{Arrow, arrows, graph};
pub use circles::circles;
pub use floors::floors;
pub use house::{counts, violations};
pub use known::{Known, difference};
pub use prose::{Complaint, complaints};
pub use sizes::{Function, functions, lines, spread};
pub use slices::slices;
pub use source::{Crate, Source, crates, sources, workspace};
