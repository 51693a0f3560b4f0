//! Owns keeping the clone small while it grows for weeks: every fetch leaves a pack and every commit a few loose files,
//! and libgit2 looks through all of them for each object that it has not. Must never lose an object: who knows which old
//! commit is still compared with.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use git2::Oid;

/// More packs than this are merged.
const MOST_PACKS: usize = 32;

/// More loose objects than about this many are packed; as `git gc --auto` has it.
const MOST_LOOSE: usize = 6_700;

/// The loose objects of one first byte tell about how many there are of all.
const SAMPLED: &str = "17";

/// Where the counts stand in an index of a pack, behind its mark and version.
const FANOUT: u64 = 8;
const FIRST_ID: u64 = FANOUT + 256 * 4;
const INDEX_START: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];

/// Whether there is something to do. Cheap.
pub(super) fn is_due(git: &git2::Repository) -> bool {
    let count = |dir: PathBuf| fs::read_dir(dir).map_or(0, Iterator::count);
    let objects = git.path().join("objects");
    count(objects.join("pack")) > 2 * MOST_PACKS || count(objects.join(SAMPLED)) > MOST_LOOSE / 256
}

/// Merges loose objects and packs into one pack, except for packs that are large beside what is merged. Every open handle
/// on the clone must be opened anew afterwards, and none may be in use meanwhile.
pub(super) fn tidy(git: &git2::Repository) -> io::Result<()> {
    let objects = git.path().join("objects");
    let (loose, mut merged) = loose_objects(&objects)?;
    let mut packs = packs(&objects.join("pack"))?;
    packs.sort_by_key(|pack| pack.count);
    // Those that are kept are each more than twice as large as all before them, so that no object is copied often.
    let mut before = loose.len();
    let mut taken = 0;
    for (index, pack) in packs.iter().enumerate() {
        if pack.count <= 2 * before {
            taken = index + 1;
        }
        before += pack.count;
    }
    packs.truncate(taken);
    for pack in &packs {
        merged.extend(pack.ids()?);
    }
    if merged.is_empty() {
        return Ok(());
    }
    let name = write(git, &merged, &objects.join("pack")).map_err(io::Error::other)?;
    for pack in packs.iter().filter(|pack| !pack.index.to_string_lossy().contains(&name)) {
        // The index first: without it nobody looks for the pack.
        fs::remove_file(&pack.index)?;
        fs::remove_file(pack.index.with_extension("pack"))?;
    }
    loose.iter().try_for_each(fs::remove_file)
}

/// The objects of a pack, sorted, by its index.
pub(super) fn ids_in(index: &Path) -> io::Result<Vec<Oid>> {
    Pack::read(index.to_owned())?.ids()
}

/// Returns the new pack's name, which is a hash of what is in it.
fn write(git: &git2::Repository, ids: &[Oid], dir: &Path) -> Result<String, git2::Error> {
    let mut builder = git.packbuilder()?;
    for id in ids {
        builder.insert_object(*id, None)?;
    }
    builder.write(dir, 0)?;
    builder.name()?.map(str::to_owned).ok_or_else(|| git2::Error::from_str("the new pack has no name"))
}

fn loose_objects(objects: &Path) -> io::Result<(Vec<PathBuf>, Vec<Oid>)> {
    let mut found = (Vec::new(), Vec::new());
    for dir in fs::read_dir(objects)? {
        let dir = dir?;
        let Some(start) = dir.file_name().to_str().filter(|name| name.len() == 2).map(str::to_owned) else { continue };
        for file in fs::read_dir(dir.path())? {
            let file = file?;
            let Some(id) = file.file_name().to_str().and_then(|rest| Oid::from_str(&format!("{start}{rest}")).ok())
            else {
                continue;
            };
            found.0.push(file.path());
            found.1.push(id);
        }
    }
    Ok(found)
}

struct Pack {
    index: PathBuf,
    count: usize,
}

impl Pack {
    fn read(index: PathBuf) -> io::Result<Self> {
        let mut file = File::open(&index)?;
        let mut start = [0; INDEX_START.len()];
        file.read_exact(&mut start)?;
        if start != INDEX_START {
            return Err(io::Error::other(format!("{} is no index that can be read", index.display())));
        }
        // The last of the 256 counts is that of all.
        file.seek(SeekFrom::Start(FIRST_ID - 4))?;
        let mut count = [0; 4];
        file.read_exact(&mut count)?;
        Ok(Self { index, count: usize::try_from(u32::from_be_bytes(count)).map_err(io::Error::other)? })
    }

    fn ids(&self) -> io::Result<Vec<Oid>> {
        let mut file = File::open(&self.index)?;
        file.seek(SeekFrom::Start(FIRST_ID))?;
        let mut bytes = vec![0; self.count * 20];
        file.read_exact(&mut bytes)?;
        bytes.chunks_exact(20).map(|id| Oid::from_bytes(id).map_err(io::Error::other)).collect()
    }
}

fn packs(dir: &Path) -> io::Result<Vec<Pack>> {
    let entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
    let indexes =
        entries.into_iter().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "idx"));
    indexes.map(Pack::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pack of `count` new blobs, and their ids.
    fn pack(git: &git2::Repository, name: &str, count: usize) -> Vec<Oid> {
        let ids: Vec<_> = (0..count).map(|n| git.blob(format!("{name} {n}").as_bytes()).unwrap()).collect();
        write(git, &ids, &git.path().join("objects/pack")).unwrap();
        for path in loose_objects(&git.path().join("objects")).unwrap().0 {
            fs::remove_file(path).unwrap();
        }
        ids
    }

    #[test]
    fn small_packs_and_loose_objects_become_one_pack_and_nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let git = git2::Repository::init_bare(dir.path()).unwrap();
        assert!(!is_due(&git));
        tidy(&git).unwrap();

        let mut all = pack(&git, "large", 1000);
        for n in 0..=MOST_PACKS {
            all.extend(pack(&git, &format!("small {n}"), 3));
        }
        all.extend((0..50).map(|n| git.blob(format!("loose {n}").as_bytes()).unwrap()));
        assert!(is_due(&git));
        tidy(&git).unwrap();

        let git = git2::Repository::open_bare(dir.path()).unwrap();
        assert!(!is_due(&git));
        let mut counts: Vec<_> =
            packs(&dir.path().join("objects/pack")).unwrap().iter().map(|pack| pack.count).collect();
        counts.sort_unstable();
        assert_eq!(counts, [3 * (MOST_PACKS + 1) + 50, 1000]);
        assert_eq!(loose_objects(&dir.path().join("objects")).unwrap().1, []);
        for id in all {
            git.find_blob(id).unwrap();
        }

        // Once more changes nothing, and a large one is taken in when there is enough beside it.
        tidy(&git).unwrap();
        let git = git2::Repository::open_bare(dir.path()).unwrap();
        let more = pack(&git, "more", 600);
        tidy(&git).unwrap();
        let git = git2::Repository::open_bare(dir.path()).unwrap();
        assert_eq!(packs(&dir.path().join("objects/pack")).unwrap().len(), 1);
        git.find_blob(more[0]).unwrap();
    }

    #[test]
    fn many_loose_objects_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let git = git2::Repository::init_bare(dir.path()).unwrap();
        let sampled = dir.path().join("objects").join(SAMPLED);
        fs::create_dir(&sampled).unwrap();
        for n in 0..=MOST_LOOSE / 256 {
            assert!(!is_due(&git));
            fs::write(sampled.join(n.to_string()), "").unwrap();
        }
        assert!(is_due(&git));
    }
}
