//! Defines a map of values by their types: what a transport hands to the hooks beside its request.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Holds at most one value of each type: what an adapter and the middleware before it know of the request by
/// which a client came. Values are never traced.
///
/// An empty map takes one pointer and no allocation. Clones share the values, and cost no more than a count.
///
/// ```
/// use chat_core::Extensions;
///
/// #[derive(Debug, PartialEq)]
/// struct Cookie(&'static str);
///
/// let mut extensions = Extensions::new().with(Cookie("a"));
/// assert_eq!(extensions.get(), Some(&Cookie("a")));
/// extensions.insert(Cookie("b"));
/// assert_eq!((extensions.get(), extensions.len()), (Some(&Cookie("b")), 1));
/// assert_eq!(extensions.get::<String>(), None);
/// ```
#[derive(Clone, Default)]
pub struct Extensions(Option<Arc<Map>>);

type Map = BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>;

impl Extensions {
    /// Returns a map without values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value, in place of another of its type.
    pub fn with<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.insert(value);
        self
    }

    /// Adds a value. Returns the one of its type that was there before, if there was one.
    pub fn insert<T: Any + Send + Sync>(&mut self, value: T) -> Option<Arc<T>> {
        let map = Arc::make_mut(self.0.get_or_insert_default());
        map.insert(TypeId::of::<T>(), Arc::new(value)).and_then(|before| before.downcast().ok())
    }

    /// Returns the value of this type, if there is one.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.as_ref()?.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// Returns the value of this type, for whoever keeps it for longer than the map lasts.
    pub fn share<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.as_ref()?.get(&TypeId::of::<T>())?.clone().downcast().ok()
    }

    /// Returns how many values there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |map| map.len())
    }

    /// Returns true if there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the values of another map, except for types of which there is a value.
    pub(crate) fn or(mut self, other: Self) -> Self {
        match (&mut self.0, other.0) {
            (Some(map), Some(others)) => {
                let map = Arc::make_mut(map);
                others.iter().for_each(|(of, value)| {
                    map.entry(*of).or_insert_with(|| value.clone());
                });
            }
            (none, others) if none.is_none() => *none = others,
            _ => {}
        }
        self
    }
}

/// Compares by identity: two maps are equal if they share all their values.
impl PartialEq for Extensions {
    fn eq(&self, other: &Self) -> bool {
        let all = |map: &Self| map.0.clone().unwrap_or_default();
        let same = |(this, that): ((&TypeId, &Arc<_>), (&TypeId, &Arc<_>))| {
            this.0 == that.0 && Arc::ptr_eq(this.1, that.1)
        };
        self.len() == other.len() && all(self).iter().zip(all(other).iter()).all(same)
    }
}

impl Eq for Extensions {}

/// Shows how many values there are, and none of them.
impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Extensions").field(&self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_without_values_is_one_pointer() {
        assert_eq!(size_of::<Extensions>(), size_of::<usize>());
        assert!(Extensions::new().is_empty() && Extensions::new().0.is_none());
    }

    #[test]
    fn clones_share_their_values_until_one_changes() {
        let first = Extensions::new().with("a").with(1_u8);
        let mut second = first.clone();
        assert_eq!(first, second);
        assert_eq!(second.insert("b").as_deref(), Some(&"a"));
        assert_eq!((first.get(), second.get()), (Some(&"a"), Some(&"b")));
        assert!(first != second && first.get::<u8>() == second.get::<u8>());
        assert_ne!(Extensions::new().with("a"), Extensions::new().with("a"), "values that are not shared");
        assert_eq!(Extensions::new(), Extensions::default());
    }

    #[test]
    fn a_value_outlives_the_map_for_whoever_shares_it() {
        let extensions = Extensions::new().with(String::from("kept"));
        let kept = extensions.share::<String>();
        drop(extensions);
        assert_eq!(kept.as_deref().map(String::as_str), Some("kept"));
    }

    #[test]
    fn of_two_maps_the_first_goes_before() {
        let (one, other) = (Extensions::new().with("a"), Extensions::new().with("b").with(2_u8));
        let both = one.clone().or(other.clone());
        assert_eq!((both.get(), both.get(), both.len()), (Some(&"a"), Some(&2_u8), 2));
        assert_eq!(Extensions::new().or(one.clone()), one);
        assert_eq!(one.clone().or(Extensions::new()), one);
        assert_eq!(other.get(), Some(&"b"), "which it leaves as it is");
    }

    #[test]
    fn no_value_is_shown() {
        let shown = format!("{:?}", Extensions::new().with("secret").with(7_u8));
        assert_eq!(shown, "Extensions(2)");
    }
}
