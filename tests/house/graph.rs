//! The import graph of a package: which file uses a name that another file defines.
//!
//! Every path in the source counts: in a `use`, in code, and in the arguments of macros. A name counts for the file
//! that defines it, however many re-exports lie between; a re-export alone is no use. Code for tests (`#[cfg(test)]`)
//! does not count, and neither do method calls, because only a compiler knows the receiver's type.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// The files of one package and the arrows between them. Paths are relative to the root of the workspace.
pub(crate) struct Graph {
    /// For each file, the files whose names it uses.
    pub(crate) arrows: BTreeMap<String, BTreeSet<String>>,
    /// For each file, the crates whose names it uses.
    pub(crate) crates: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Reads the sources below `roots` (`lib.rs`, `main.rs`) of a package that calls itself `name` and depends on
    /// `others`.
    pub(crate) fn read(workspace: &Path, name: &str, roots: &[PathBuf], others: &[String]) -> Self {
        let mut reader = Reader { others, own: name.replace('-', "_"), ..Reader::default() };
        for root in roots {
            let folder = root.parent().expect("a file lies in a folder");
            let module = reader.module(None, root);
            if root.ends_with("lib.rs") {
                reader.library = Some(module);
            }
            reader.file(module, root, folder);
        }
        reader.resolve(workspace)
    }

    /// The files that use themselves through others.
    pub(crate) fn files_in_circles(&self) -> BTreeSet<&str> {
        circles(&self.arrows).into_iter().flatten().collect()
    }

    /// The modules of every folder, each with everything inside it, and which of them use which. `timer.rs` and
    /// `timer/` are one module; arrows between the two are ignored.
    pub(crate) fn folders(&self) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
        let mut folders: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (file, used) in &self.arrows {
            let Some(from) = module(file) else { continue };
            let (folder, name) = from.rsplit_once('/').expect("in a folder");
            folders.entry(folder.to_owned()).or_default().entry(name.to_owned()).or_default();
            for to in used.iter().filter_map(|file| module(file)) {
                let steps = || from.split('/').zip(to.split('/'));
                let shared = steps().take_while(|(from, to)| from == to).count();
                let folder: Vec<&str> = from.split('/').take(shared).collect();
                if let Some((from, to)) = steps().nth(shared) {
                    let modules = folders.entry(folder.join("/")).or_default();
                    modules.entry(from.to_owned()).or_default().insert(to.to_owned());
                }
            }
        }
        folders
    }
}

/// The module path of a file; `None` for a crate's root, which only declares and re-exports.
fn module(file: &str) -> Option<&str> {
    let module = file.strip_suffix(".rs").expect("a Rust file");
    (!["/src/lib", "/src/main"].iter().any(|root| module.ends_with(root))).then_some(module)
}

/// The strongly connected components with more than one node.
pub(crate) fn circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<&str>> {
    let reach = |from: &str| {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = arrows.get(from).into_iter().flatten().map(String::as_str).collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(arrows.get(next).into_iter().flatten().map(String::as_str));
            }
        }
        reached
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        arrows.keys().map(|node| (node.as_str(), reach(node))).collect();
    let mut found: Vec<BTreeSet<&str>> = Vec::new();
    for (node, all) in &reached {
        if all.contains(node) && !found.iter().any(|circle| circle.contains(node)) {
            let back = |other: &&&str| reached.get(**other).is_some_and(|reached| reached.contains(node));
            found.push(all.iter().filter(back).copied().collect());
        }
    }
    found
}

/// What a path resolves to.
#[derive(Clone)]
enum Target {
    Module(usize),
    /// An item of that file.
    Item(usize),
    Crate(String),
}

#[derive(Default)]
struct Module {
    file: usize,
    parent: Option<usize>,
    children: HashMap<String, usize>,
    items: HashSet<String>,
    /// Names that `use` brings in, each with the path to it.
    imports: HashMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
}

#[derive(Default)]
struct Reader<'a> {
    others: &'a [String],
    own: String,
    library: Option<usize>,
    files: Vec<PathBuf>,
    modules: Vec<Module>,
    /// Every path that was read, with the module that contains it.
    paths: Vec<(usize, Vec<String>)>,
}

impl Reader<'_> {
    /// A module in a file of its own.
    fn module(&mut self, parent: Option<usize>, path: &Path) -> usize {
        self.files.push(path.to_owned());
        self.modules.push(Module { file: self.files.len() - 1, parent, ..Module::default() });
        self.modules.len() - 1
    }

    /// Reads the file of `module`; its children lie in `folder`.
    fn file(&mut self, module: usize, path: &Path, folder: &Path) {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut scope = Scope { reader: self, module, folder: folder.to_owned() };
        parsed.items.iter().for_each(|item| scope.visit_item(item));
    }

    fn resolve(self, workspace: &Path) -> Graph {
        let names: Vec<String> = self.files.iter().map(|path| relative(workspace, path)).collect();
        let mut arrows: BTreeMap<String, BTreeSet<String>> =
            names.iter().map(|name| (name.clone(), BTreeSet::new())).collect();
        let mut crates = arrows.clone();
        for (module, path) in &self.paths {
            let from = self.modules[*module].file;
            match self.follow(*module, path, 0) {
                Some(Target::Item(to)) if to != from => {
                    arrows.get_mut(&names[from]).expect("listed").insert(names[to].clone());
                }
                // A single name may be a variable.
                Some(Target::Crate(name)) if path.len() > 1 => {
                    crates.get_mut(&names[from]).expect("listed").insert(name);
                }
                // Using an item of a module is an arrow; naming the module is not.
                Some(_) | None => {}
            }
        }
        Graph { arrows, crates }
    }

    fn follow(&self, module: usize, path: &[String], depth: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Target::Module(self.root(module)),
            "self" => Target::Module(module),
            "super" => Target::Module(self.modules[module].parent?),
            name => match self.lookup(module, name, !rest.is_empty(), depth) {
                Some(target) => target,
                None if name == self.own => Target::Module(self.library?),
                None if self.others.iter().any(|other| other == name) => {
                    return Some(Target::Crate(name.to_owned()));
                }
                None => return None,
            },
        };
        for (index, name) in rest.iter().enumerate() {
            let Target::Module(inside) = at else { break };
            at = match name.as_str() {
                "super" => Target::Module(self.modules[inside].parent?),
                "self" => at,
                name => self.lookup(inside, name, index + 1 < rest.len(), depth)?,
            };
        }
        Some(at)
    }

    /// Looks up a name in a module. A module and a function may share a name: `leads_on` says which is meant.
    fn lookup(&self, module: usize, name: &str, leads_on: bool, depth: usize) -> Option<Target> {
        if depth > 16 {
            return None;
        }
        let here = &self.modules[module];
        let child = here.children.get(name).map(|child| Target::Module(*child));
        let item = here.items.contains(name).then_some(Target::Item(here.file));
        let own = if leads_on { child.or(item) } else { item.or(child) };
        let imported = || {
            let path = here.imports.get(name)?;
            // `use tracing;` names the crate, not itself.
            if path.len() == 1 && path[0] == name {
                return None;
            }
            self.follow(module, path, depth + 1)
        };
        let globbed = || {
            here.globs.iter().find_map(|glob| match self.follow(module, glob, depth + 1)? {
                Target::Module(inside) if inside != module => self.lookup(inside, name, leads_on, depth + 1),
                Target::Module(_) | Target::Item(_) | Target::Crate(_) => None,
            })
        };
        own.or_else(imported).or_else(globbed)
    }

    fn root(&self, mut module: usize) -> usize {
        while let Some(parent) = self.modules[module].parent {
            module = parent;
        }
        module
    }
}

fn relative(workspace: &Path, path: &Path) -> String {
    let path = path.strip_prefix(workspace).expect("a member lies in the workspace");
    path.to_str().expect("paths are UTF-8").to_owned()
}

/// Reads the items of a module.
struct Scope<'r, 'a> {
    reader: &'r mut Reader<'a>,
    module: usize,
    folder: PathBuf,
}

impl Scope<'_, '_> {
    fn here(&mut self) -> &mut Module {
        &mut self.reader.modules[self.module]
    }

    fn path(&mut self, path: Vec<String>) {
        self.reader.paths.push((self.module, path));
    }

    fn import(&mut self, tree: &UseTree, mut path: Vec<String>) {
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.import(&step.tree, path);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, path.clone())),
            UseTree::Glob(_) => {
                self.here().globs.push(path.clone());
                self.path(path);
            }
            UseTree::Name(name) if name.ident == "self" => {
                let alias = path.last().expect("self of something").clone();
                self.bring_in(alias, path);
            }
            UseTree::Name(name) => {
                path.push(name.ident.to_string());
                self.bring_in(name.ident.to_string(), path);
            }
            UseTree::Rename(renamed) => {
                path.push(renamed.ident.to_string());
                self.bring_in(renamed.rename.to_string(), path);
            }
        }
    }

    fn bring_in(&mut self, alias: String, path: Vec<String>) {
        self.here().imports.entry(alias).or_insert_with(|| path.clone());
        self.path(path);
    }

    /// Paths in the arguments of a macro, which need not be Rust.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end_of(&mut path);
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end_of(&mut path);
                    self.tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.end_of(&mut path),
            }
        }
        self.end_of(&mut path);
    }

    fn end_of(&mut self, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.path(path);
        }
    }

    fn child(&mut self, item: &syn::ItemMod) {
        let name = item.ident.to_string();
        let (child, folder) = if item.content.is_some() {
            let file = self.here().file;
            self.reader.modules.push(Module { file, parent: Some(self.module), ..Module::default() });
            (self.reader.modules.len() - 1, self.folder.join(&name))
        } else {
            let path = self.folder.join(&name).with_extension("rs");
            (self.reader.module(Some(self.module), &path), self.folder.join(&name))
        };
        self.here().children.insert(name.clone(), child);
        match &item.content {
            Some((_, items)) => {
                let mut inside = Scope { reader: &mut *self.reader, module: child, folder };
                items.iter().for_each(|item| inside.visit_item(item));
            }
            None => {
                let path = folder.with_extension("rs");
                self.reader.file(child, &path, &folder);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Scope<'_, '_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if attributes(item).iter().any(for_tests) {
            return;
        }
        let name = match item {
            Item::Const(item) => Some(&item.ident),
            Item::Enum(item) => Some(&item.ident),
            Item::Fn(item) => Some(&item.sig.ident),
            Item::Macro(item) => item.ident.as_ref(),
            Item::Static(item) => Some(&item.ident),
            Item::Struct(item) => Some(&item.ident),
            Item::Trait(item) => Some(&item.ident),
            Item::Type(item) => Some(&item.ident),
            Item::Union(item) => Some(&item.ident),
            _ => None,
        };
        if let Some(name) = name {
            let name = name.to_string();
            self.here().items.insert(name);
        }
        match item {
            Item::Mod(module) => self.child(module),
            Item::Use(item) => {
                let used = self.reader.paths.len();
                self.import(&item.tree, Vec::new());
                if !matches!(item.vis, syn::Visibility::Inherited) {
                    self.reader.paths.truncate(used);
                }
            }
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes = match item {
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            _ => return,
        };
        if !attributes.iter().any(for_tests) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !field.attrs.iter().any(for_tests) {
            visit::visit_field(self, field);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.path(segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether the attribute compiles its item only for tests.
fn for_tests(attribute: &Attribute) -> bool {
    fn needs_tests(meta: &syn::Meta) -> bool {
        match meta {
            syn::Meta::Path(path) => ["test", "doctest"].iter().any(|name| path.is_ident(name)),
            syn::Meta::List(list) if list.path.is_ident("all") => {
                let inside = list.parse_args_with(
                    syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated,
                );
                inside.is_ok_and(|inside| inside.iter().any(needs_tests))
            }
            syn::Meta::List(_) | syn::Meta::NameValue(_) => false,
        }
    }
    attribute.path().is_ident("test")
        || (attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Meta>().is_ok_and(|meta| needs_tests(&meta)))
}
