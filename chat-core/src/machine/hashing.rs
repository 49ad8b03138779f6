//! How maps hash that there are many of.

use std::hash::{BuildHasher, DefaultHasher, RandomState};
use std::sync::LazyLock;

/// Hashes with one secret of the process. A map keeps none of its own then, 16 bytes, and names that were chosen to collide do so no more than with
/// [`RandomState`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OneSecret;

static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl BuildHasher for OneSecret {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        SECRET.build_hasher()
    }
}
