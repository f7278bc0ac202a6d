//! Places: where a name leads, so that two names of one file can be recognised as such.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// Determines where names lead. Each folder is resolved once: names are many, and folders are few.
#[derive(Debug, Default)]
pub struct Places {
    folders: HashMap<PathBuf, PathBuf>,
}

impl Places {
    /// Where a file with this name is, or was: its folder without links and `..`, and its own name as given.
    /// The file may be gone, even together with its folder.
    pub fn of(&mut self, name: &Path) -> PathBuf {
        match (name.parent(), name.file_name()) {
            (Some(folder), Some(file)) => self.of_folder(folder).join(file),
            _ => self.of_folder(name),
        }
    }

    /// Where a folder is, or was.
    pub fn of_folder(&mut self, folder: &Path) -> PathBuf {
        if let Some(place) = self.folders.get(folder) {
            return place.clone();
        }
        let place = settled(folder);
        self.folders.insert(folder.to_owned(), place.clone());
        place
    }
}

/// The path without links and `..`, as far as it exists, and from there on as written.
fn settled(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut place = PathBuf::new();
    for component in path.components() {
        match component {
            // What precedes has no links.
            Component::ParentDir => {
                place.pop();
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => place.push(component),
            Component::Normal(name) => {
                place.push(name);
                if let Ok(real) = place.canonicalize() {
                    place = real;
                }
            }
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_of_one_file_lead_to_one_place() {
        let top = tempfile::tempdir().expect("a folder");
        let top = top.path().canonicalize().expect("there");
        fs::create_dir_all(top.join("logs/deep")).expect("made");
        fs::create_dir_all(top.join("job")).expect("made");
        symlink(top.join("logs/deep"), top.join("job/link")).expect("linked");
        symlink(top.join("logs/a"), top.join("logs/current")).expect("linked");
        let mut places = Places::default();
        for (name, place) in [
            ("job/../logs/a", "logs/a"),
            ("logs/./a", "logs/a"),
            ("job/link/a", "logs/deep/a"),
            // Up from the target of the link.
            ("job/link/../a", "logs/a"),
            // A link has its own name, and is loaded under that.
            ("logs/current", "logs/current"),
            ("gone/../logs/a", "logs/a"),
            ("gone/x/../a", "gone/a"),
        ] {
            assert_eq!(places.of(&top.join(name)), top.join(place), "{name}");
        }
        assert_eq!(places.of_folder(&top.join("job/link")), top.join("logs/deep"));
        assert_eq!(places.of(Path::new("/")), Path::new("/"));
    }
}
