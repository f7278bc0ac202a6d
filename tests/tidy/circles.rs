//! Finds circles of files that use each other, from their text.
//!
//! A file uses another if it names something of it, in a `use` or in a path that begins with `crate`,
//! `super`, `self` or one of its own modules. What a file re-exports (`pub use`) belongs to the file where
//! it is defined. A `mod.rs` exists to use the files of its folder, so those uses do not count; the uses of
//! its own definitions by those files do.

use std::collections::{BTreeMap, BTreeSet};

/// The path of a module, name by name.
type Path = Vec<String>;

/// The files of a crate by their modules.
pub(crate) struct Crate {
    files: BTreeMap<Path, File>,
}

struct File {
    name: String,
    uses: Vec<Path>,
    /// Re-exports: the name, and the path it comes from.
    passed_on: Vec<(String, Path)>,
}

impl Crate {
    /// Builds the graph from file names, such as `sink/postgres/mod.rs`, and texts.
    pub(crate) fn of<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Crate {
        let files = files.into_iter().map(|(name, text)| {
            let module = module(name);
            (module.clone(), File::read(name, text, &module))
        });
        Crate { files: files.collect() }
    }

    /// Sets of files that use each other directly or through others, each in order.
    pub(crate) fn circles(&self) -> Vec<Vec<&str>> {
        let arrows: BTreeMap<&str, BTreeSet<&str>> =
            self.files.values().map(|file| (file.name.as_str(), self.used_by(file))).collect();
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            arrows.keys().map(|&from| (from, reachable(from, &arrows))).collect();
        let mut circles = BTreeSet::new();
        for (from, to) in &reached {
            let circle: Vec<&str> =
                to.iter().copied().filter(|other| reached[other].contains(from)).collect();
            if !circle.is_empty() {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    fn used_by(&self, file: &File) -> BTreeSet<&str> {
        let used = file.uses.iter().filter_map(|path| self.home(path, 0));
        let folder = file.name.strip_suffix("mod.rs").filter(|folder| !folder.is_empty());
        used.filter(|used| *used != file.name && !folder.is_some_and(|folder| used.starts_with(folder)))
            .collect()
    }

    /// The file that defines the item of a path.
    fn home(&self, path: &[String], hops: usize) -> Option<&str> {
        let mut module = Path::new();
        let mut rest = path.iter();
        let mut item = None;
        for name in rest.by_ref() {
            module.push(name.clone());
            if !self.files.contains_key(&module) {
                item = module.pop();
                break;
            }
        }
        let file = self.files.get(&module)?;
        let passed_on = item.and_then(|item| file.passed_on.iter().find(|(name, _)| *name == item));
        match passed_on {
            // A re-exported name may be a module, with an item of it named further on.
            Some((_, from)) if hops < 8 => {
                self.home(&[from.clone(), rest.cloned().collect()].concat(), hops + 1)
            }
            _ => Some(&file.name),
        }
    }
}

impl File {
    fn read(name: &str, text: &str, module: &[String]) -> File {
        let code: String = text
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .flat_map(|line| [line, "\n"])
            .collect();
        let words = words(&code);
        let children: BTreeSet<&str> =
            words.windows(3).filter(|w| w[0] == "mod" && w[2] == ";").map(|w| w[1]).collect();
        let mut file = File { name: name.to_owned(), uses: Vec::new(), passed_on: Vec::new() };
        let mut at = 0;
        while at < words.len() {
            if words[at] == "use" {
                let is_public = at > 0 && (words[at - 1] == "pub" || words[at - 1] == ")");
                let mut paths = Vec::new();
                at = tree(&words, at + 1, &[], &mut paths);
                for (path, called) in paths {
                    let path = absolute(&path, module, &children);
                    match is_public {
                        true => file.passed_on.extend(path.map(|path| (called, path))),
                        false => file.uses.extend(path),
                    }
                }
            } else if words.get(at + 1) == Some(&"::") && (at == 0 || words[at - 1] != "::") {
                let mut path = vec![words[at]];
                while words.get(at + 1) == Some(&"::") && words.get(at + 2).is_some_and(|word| is_name(word))
                {
                    path.push(words[at + 2]);
                    at += 2;
                }
                file.uses.extend(absolute(&path, module, &children));
            }
            at += 1;
        }
        file
    }
}

/// Maps `sink/postgres/mod.rs` to the module `sink::postgres`.
fn module(name: &str) -> Path {
    let name = name.trim_end_matches(".rs").trim_end_matches("/mod");
    if ["lib", "main"].contains(&name) { Path::new() } else { name.split('/').map(str::to_owned).collect() }
}

/// Resolves a path from the crate's root, if it leads into this crate.
fn absolute(path: &[&str], module: &[String], children: &BTreeSet<&str>) -> Option<Path> {
    let (first, rest) = path.split_first()?;
    let start = match *first {
        "crate" => &module[..0],
        "self" => module,
        "super" => &module[..module.len().checked_sub(1)?],
        child if children.contains(child) => {
            return Some(module.iter().cloned().chain(path.iter().map(|&name| name.to_owned())).collect());
        }
        _ => return None,
    };
    let supers = rest.iter().take_while(|name| **name == "super").count();
    let start = &start[..start.len().checked_sub(supers)?];
    Some(start.iter().cloned().chain(rest[supers..].iter().map(|&name| name.to_owned())).collect())
}

/// Reads the tree after a `use` and collects the named paths, each with the name it gets. Returns the
/// position after the tree.
fn tree<'t>(
    words: &[&'t str],
    mut at: usize,
    before: &[&'t str],
    found: &mut Vec<(Vec<&'t str>, String)>,
) -> usize {
    let mut path = before.to_vec();
    loop {
        match words.get(at).copied() {
            Some("::") => at += 1,
            Some("{") => {
                at += 1;
                while words.get(at).is_some_and(|word| *word != "}") {
                    at = tree(words, at, &path, found);
                    at += usize::from(words.get(at) == Some(&","));
                }
                return at + 1;
            }
            Some("as") => {
                found.push((path, words.get(at + 1).copied().unwrap_or_default().to_owned()));
                return at + 2;
            }
            Some(word) if is_name(word) || word == "*" => {
                if word != "self" || path.is_empty() {
                    path.push(word);
                }
                at += 1;
            }
            _ => {
                let called = path.last().copied().unwrap_or_default().to_owned();
                found.push((path, called));
                return at;
            }
        }
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Splits code into names, `::`, and all other characters one by one, without white space.
fn words(code: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (word, more) = rest.split_at(length);
        rest = more;
        if !first.is_whitespace() {
            words.push(word);
        }
    }
    words
}

fn reachable<'f>(from: &'f str, arrows: &BTreeMap<&'f str, BTreeSet<&'f str>>) -> BTreeSet<&'f str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        open.extend(arrows[file].iter().filter(|used| reached.insert(**used)));
    }
    reached
}
