//! The modules of a crate: what each defines, imports and names.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::source::Source;

/// The names from a crate's root down to a module; the first is the root's own file, without `.rs`.
pub(crate) type Key = Vec<String>;

/// One module: a file, or a `mod` with braces within one.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// The file that it stands in.
    pub(crate) file: String,
    /// The items that it defines, apart from modules.
    pub(crate) defined: BTreeSet<String>,
    /// Its `use` declarations, groups taken apart.
    pub(crate) imports: Vec<Import>,
    /// Every path in its code, macros' arguments among it.
    pub(crate) named: BTreeSet<Vec<String>>,
    /// The types of its inherent `impl` blocks.
    pub(crate) extended: Vec<Vec<String>>,
}

/// One name that a `use` brings in.
#[derive(Debug)]
pub(crate) struct Import {
    /// As it is called here; none for a glob.
    pub(crate) name: Option<String>,
    pub(crate) path: Vec<String>,
    /// True if others may take it from here.
    pub(crate) shared: bool,
}

/// All modules of a crate that are compiled without tests.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) modules: BTreeMap<Key, Module>,
}

impl Tree {
    /// Follows `mod` from `lib.rs` and `main.rs`. Without either, every file is a root of its own.
    ///
    /// # Panics
    /// Panics if a file does not parse.
    pub(crate) fn new(sources: &[Source]) -> Self {
        let mut tree = Self::default();
        let is_root = |source: &&Source| ["lib.rs", "main.rs"].contains(&source.path.as_str());
        let roots: Vec<_> = sources.iter().filter(is_root).collect();
        let roots = if roots.is_empty() { sources.iter().collect() } else { roots };
        for root in roots {
            let key = vec![root.path.trim_end_matches(".rs").to_owned()];
            tree.add_file(sources, key, root);
        }
        tree
    }

    fn add_file(&mut self, sources: &[Source], key: Key, source: &Source) {
        let parsed = syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.path));
        let place = Place { sources, file: &source.path, folder: folder_of_children(&source.path) };
        self.add(&place, key, &parsed.items);
    }

    fn add(&mut self, place: &Place<'_>, mut key: Key, items: &[syn::Item]) {
        while self.modules.contains_key(&key) {
            key.push("another".to_owned()); // two files under one name: one of them for another platform
        }
        let mut module = Module { file: place.file.to_owned(), ..Module::default() };
        module.visit_items(items);
        self.modules.insert(key.clone(), module);
        for item in items {
            if let syn::Item::Mod(child) = item
                && !is_test(&child.attrs)
            {
                self.add_child(place, &key, child);
            }
        }
    }

    fn add_child(&mut self, place: &Place<'_>, key: &Key, child: &syn::ItemMod) {
        let name = child.ident.to_string();
        let key = [key.as_slice(), std::slice::from_ref(&name)].concat();
        if let Some((_, items)) = &child.content {
            self.add(&Place { folder: join(&place.folder, &name), ..*place }, key, items);
        } else if let Some(source) = place.file_of(child) {
            self.add_file(place.sources, key, source);
        }
    }
}

/// Says where a module stands among the files.
struct Place<'a> {
    sources: &'a [Source],
    file: &'a str,
    /// Holds the folder in which the files of its modules are looked for.
    folder: String,
}

impl<'a> Place<'a> {
    fn file_of(&self, child: &syn::ItemMod) -> Option<&'a Source> {
        let name = child.ident.to_string();
        let parent = self.file.rsplit_once('/').map_or("", |(parent, _)| parent);
        let paths = match path_of(&child.attrs) {
            Some(path) => vec![join(parent, &path)],
            None => {
                vec![join(&self.folder, &format!("{name}.rs")), join(&self.folder, &format!("{name}/mod.rs"))]
            }
        };
        self.sources.iter().find(|source| paths.contains(&source.path))
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Returns the folder of a file's modules: its own for `mod.rs` and roots, one of its name for others.
fn folder_of_children(file: &str) -> String {
    let stem = file.trim_end_matches(".rs");
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    if ["mod", "lib", "main"].contains(&name) { folder.to_owned() } else { stem.to_owned() }
}

/// Returns the file that `#[path = "…"]` names.
fn path_of(attributes: &[syn::Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    let syn::Expr::Lit(value) = &attribute.meta.require_name_value().ok()?.value else { return None };
    let syn::Lit::Str(path) = &value.lit else { return None };
    Some(path.value())
}

/// Tells whether an item is compiled for tests alone.
pub(crate) fn is_test(attributes: &[syn::Attribute]) -> bool {
    let words = |tokens: TokenStream| flat(tokens).iter().any(|token| token.to_string() == "test");
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => words(list.tokens.clone()),
        meta => meta.path().is_ident("test"),
    })
}

impl Module {
    fn visit_items(&mut self, items: &[syn::Item]) {
        for item in items {
            if !is_test(attributes_of(item)) {
                self.defined.extend(name_of(item));
                if !matches!(item, syn::Item::Mod(_)) {
                    self.visit_item(item);
                }
            }
        }
    }

    fn import(&mut self, tree: &syn::UseTree, before: &[String], shared: bool) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.import(&path.tree, &with(&path.ident), shared),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, before, shared));
            }
            syn::UseTree::Glob(_) => self.imports.push(Import { name: None, path: before.to_vec(), shared }),
            syn::UseTree::Rename(rename) => {
                let path = if rename.ident == "self" { before.to_vec() } else { with(&rename.ident) };
                self.imports.push(Import { name: Some(rename.rename.to_string()), path, shared });
            }
            syn::UseTree::Name(name) => {
                let path = if name.ident == "self" { before.to_vec() } else { with(&name.ident) };
                self.imports.push(Import { name: path.last().cloned(), path, shared });
            }
        }
    }

    /// Takes every run of names between `::` in a macro's arguments for a path, unless it follows a dot.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons, mut after_dot) = (Vec::new(), 0, false);
        for token in flat(tokens) {
            match token {
                TokenTree::Ident(ident) => {
                    if colons < 2 && !path.is_empty() {
                        self.named.insert(std::mem::take(&mut path));
                    }
                    if !after_dot {
                        path.push(ident.to_string());
                    }
                    (colons, after_dot) = (0, false);
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    after_dot = matches!(&other, TokenTree::Punct(punct) if punct.as_char() == '.');
                    self.named.insert(std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.named.insert(path);
    }
}

impl Visit<'_> for Module {
    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        if item.leading_colon.is_none() {
            let shared = !matches!(item.vis, syn::Visibility::Inherited);
            self.import(&item.tree, &[], shared);
        }
    }

    fn visit_item_impl(&mut self, item: &syn::ItemImpl) {
        if let (None, syn::Type::Path(own)) = (&item.trait_, item.self_ty.as_ref()) {
            self.extended.push(names(&own.path));
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_path(&mut self, path: &syn::Path) {
        if path.leading_colon.is_none() {
            self.named.insert(names(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &syn::Macro) {
        self.named.insert(names(&called.path));
        self.read_tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &syn::Attribute) {}
}

fn names(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// Returns the tokens with groups opened; a group's ends stand as commas, so that no path runs over them.
fn flat(tokens: TokenStream) -> Vec<TokenTree> {
    let end = || TokenTree::Punct(proc_macro2::Punct::new(',', proc_macro2::Spacing::Alone));
    let open = |token| match token {
        TokenTree::Group(group) => [vec![end()], flat(group.stream()), vec![end()]].concat(),
        other => vec![other],
    };
    tokens.into_iter().flat_map(open).collect()
}

fn name_of(item: &syn::Item) -> Option<String> {
    let ident = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// Returns an item's attributes.
pub(crate) fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
