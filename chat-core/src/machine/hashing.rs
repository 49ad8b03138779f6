//! Hashes the keys of maps of which there are many.

use std::hash::{BuildHasher, DefaultHasher, RandomState};
use std::sync::LazyLock;

/// Hashes with one secret for the whole process. A map then saves the 16 bytes of a secret of its own, and
/// names that were chosen to collide do so no more than with [`RandomState`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OneSecret;

static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl BuildHasher for OneSecret {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        SECRET.build_hasher()
    }
}
