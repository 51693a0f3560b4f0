//! Owns writing many objects at once, as packs: to make a file for each takes longer than everything else about them. Must
//! never hold more of them in memory than a part.

use std::collections::BTreeSet;
use std::io::Write as _;

use git2::Oid;

/// Objects of one pack: so many are held in memory.
const PART: usize = 1_000;

/// Bytes of one pack.
const PART_BYTES: usize = 4 << 20;

/// Stores the contents of files. Returns their blobs in the same order.
pub(super) fn store<'b>(
    git: &git2::Repository,
    contents: impl Iterator<Item = &'b [u8]>,
) -> Result<Vec<Oid>, git2::Error> {
    // A handle of its own: its objects are in memory until they are packed.
    let scratch = git2::Repository::open_bare(git.path())?;
    let objects = scratch.odb()?;
    let memory = objects.add_new_mempack_backend(i32::MAX)?;
    let (mut blobs, mut part, mut bytes) = (Vec::new(), BTreeSet::new(), 0);
    for content in contents {
        let blob = scratch.blob(content)?;
        blobs.push(blob);
        part.insert(blob);
        bytes += content.len();
        if part.len() >= PART || bytes >= PART_BYTES {
            copy(&scratch, git, std::mem::take(&mut part))?;
            memory.reset()?;
            bytes = 0;
        }
    }
    if !part.is_empty() {
        copy(&scratch, git, part)?;
    }
    Ok(blobs)
}

/// Copies objects as one pack: what others name comes before them.
pub(super) fn copy(
    from: &git2::Repository,
    to: &git2::Repository,
    objects: impl IntoIterator<Item = Oid>,
) -> Result<(), git2::Error> {
    let mut pack = from.packbuilder()?;
    for id in objects {
        pack.insert_object(id, None)?;
    }
    let odb = to.odb()?;
    let mut writer = odb.packwriter()?;
    let mut problem = None;
    pack.foreach(|chunk| writer.write_all(chunk).map_err(|error| problem = Some(error)).is_ok())?;
    match problem {
        None => writer.commit().map(|_| ()),
        Some(error) => Err(git2::Error::from_str(&error.to_string())),
    }
}
