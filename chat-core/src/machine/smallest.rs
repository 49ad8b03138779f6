//! Finds the smallest of many values without sorting or copying all of them.

use std::collections::BinaryHeap;

/// Returns the `most` smallest values in order, and whether there are others. Takes time in proportion to the
/// number of values, and memory for `most` of them.
pub(super) fn smallest<T: Ord>(values: impl Iterator<Item = T>, most: usize) -> (Vec<T>, bool) {
    let (mut kept, mut more) = (BinaryHeap::new(), false);
    for value in values {
        if kept.len() < most {
            kept.push(value);
            continue;
        }
        more = true;
        if let Some(mut largest) = kept.peek_mut()
            && value < *largest
        {
            *largest = value;
        }
    }
    (kept.into_sorted_vec(), more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_are_found_in_order_and_it_is_said_whether_there_are_more() {
        let values = [5, 1, 4, 2, 3];
        for most in 0..=values.len() {
            let expected = (1..=most).collect();
            assert_eq!(smallest(values.into_iter(), most), (expected, most < values.len()));
        }
        assert_eq!(smallest(values.into_iter(), 9), (vec![1, 2, 3, 4, 5], false));
    }
}
