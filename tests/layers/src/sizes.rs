//! Measures how long functions and files are.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::source::Source;

/// One function that has a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name, without its type.
    pub name: String,
    /// The line that it begins on, counted from 1.
    pub line: usize,
    /// The lines from its signature to its last brace.
    pub lines: usize,
}

/// Returns every function of a file, those of its tests among them.
///
/// # Panics
/// Panics if the file does not parse.
pub fn functions(source: &Source) -> Vec<Function> {
    let parsed = syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.path));
    let mut all = All::default();
    all.visit_file(&parsed);
    all.0
}

/// Returns how many lines a file has.
pub fn lines(source: &Source) -> usize {
    source.text.lines().count()
}

/// Returns the median, the ninetieth percentile and the largest of some lengths; zeros if there are none.
pub fn spread(mut lengths: Vec<usize>) -> (usize, usize, usize) {
    lengths.sort_unstable();
    let at =
        |percent| lengths.get(lengths.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default();
    (at(50), at(90), at(100))
}

#[derive(Default)]
struct All(Vec<Function>);

impl All {
    fn add(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let (first, last) = (signature.span().start().line, body.span().end().line);
        self.0.push(Function { name: signature.ident.to_string(), line: first, lines: last - first + 1 });
    }
}

impl<'a> Visit<'a> for All {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.add(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}
