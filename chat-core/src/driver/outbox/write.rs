//! Writes to a transport once, and classifies the result.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::driver::caught::{Panicked, caught};
use crate::machine::WRITE_RUNS;
use crate::model::{Batch, Run};

/// Holds the result of one write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    bytes: usize,
    /// Tells whether the transport took something.
    pub(crate) some: bool,
    /// Tells whether the transport takes no more for now.
    pub(crate) blocked: bool,
    /// Tells whether the transport is lost.
    pub(crate) failed: bool,
}

impl Written {
    fn of(result: io::Result<usize>, wanted: usize) -> Self {
        let none = Self { bytes: 0, some: false, blocked: false, failed: false };
        match result {
            Ok(0) if wanted > 0 => Self { failed: true, ..none },
            Ok(n) => Self { bytes: n, some: true, blocked: n < wanted, ..none },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Self { blocked: true, ..none },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => none,
            Err(_) => Self { failed: true, ..none },
        }
    }
}

/// Writes once. A transport that panics counts as lost.
fn attempt(write: impl FnOnce() -> io::Result<usize>, wanted: usize) -> Written {
    let result = caught(write).unwrap_or_else(|Panicked| Err(io::ErrorKind::Other.into()));
    Written::of(result, wanted)
}

/// Writes runs together. The part that was not written stays in `runs`.
pub(crate) fn write_runs(
    runs: &mut VecDeque<Run>,
    write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
) -> Written {
    let written = {
        let mut slices = [IoSlice::new(&[]); WRITE_RUNS];
        let mut wanted = 0;
        for (slice, run) in slices.iter_mut().zip(runs.iter()) {
            *slice = IoSlice::new(run.bytes());
            wanted += run.bytes().len();
        }
        attempt(|| write(&slices[..runs.len().min(WRITE_RUNS)]), wanted)
    };
    let mut left = written.bytes;
    while let Some(run) = runs.front_mut() {
        let step = left.min(run.bytes().len());
        run.advance(step);
        left -= step;
        if run.frames() > 0 {
            break;
        }
        runs.pop_front();
    }
    written
}

/// Flushes the transport: a write without bytes.
pub(crate) fn write_nothing(flush: impl FnOnce() -> io::Result<usize>) -> Written {
    attempt(flush, 0)
}

/// Writes a batch alone, from the frame `first` on. Returns the part that was not written, if any.
pub(crate) fn write_batch(
    batch: &Arc<Batch>,
    first: usize,
    write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
) -> (Written, Option<Run>) {
    let bytes = batch.bytes_from(first);
    let written = attempt(|| write(&[IoSlice::new(bytes)]), bytes.len());
    let left = (written.bytes < bytes.len()).then(|| {
        let mut run = Run::from(batch, first);
        run.advance(written.bytes);
        run
    });
    (written, left)
}
