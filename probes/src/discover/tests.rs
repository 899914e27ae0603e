//! Tests what is listed, omitted and cleaned up.

use std::fs;

use super::*;
use crate::session::Session;
use crate::shared::layout::{STATE_ENDED, head};
use crate::shared::original::adopt;

fn session(folder: &Path, program: &str) -> Session {
    Session::builder(program).policy("p").shared_in(folder).unwrap()
}

#[test]
fn the_only_one_is_found_and_of_several_all_are_named() {
    let scratch = tempfile::tempdir().unwrap();
    let folders = [scratch.path().join("rings")];
    let one = session(&folders[0], "one");
    let found = only_in(&folders).unwrap();
    assert_eq!((found.metadata.program.as_str(), found.pid), ("one", std::process::id()));
    assert_eq!(found.path, one.path().unwrap());
    assert_eq!(
        (found.metadata.started, found.state),
        (one.metadata().unwrap().started, ProcessState::Running)
    );

    let _two = session(&folders[0], "two");
    let Err(FindError::Several { rings }) = only_in(&folders) else { panic!("there are two") };
    let programs: Vec<_> = rings.iter().map(|ring| ring.metadata.program.as_str()).collect();
    assert_eq!(programs, ["one", "two"], "by their start");
    assert_eq!(find_in(&folders, std::process::id()).unwrap().metadata.program, "two", "the youngest");
}

#[test]
fn rings_of_ended_processes_are_removed() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("rings");
    let session = session(&folder, "ended");
    let mut bytes = fs::read(session.path().unwrap()).unwrap();
    let left = folder.join("left-behind.ring");
    fs::write(&left, &bytes).unwrap();
    let state = || list_in(std::slice::from_ref(&folder)).rings[1].state;
    assert_eq!(state(), ProcessState::Unclosed, "it is a copy");
    adopt(&left);
    assert_eq!(state(), ProcessState::Crashed);
    bytes[head::STATE * 8..][..8].copy_from_slice(&STATE_ENDED.to_ne_bytes());
    fs::write(&left, &bytes).unwrap();
    let listing = list_in(std::slice::from_ref(&folder));
    assert_eq!((listing.rings.len(), listing.problems.len()), (1, 0));
    assert!(!left.exists() && session.path().unwrap().exists());
}

#[test]
fn a_folder_that_is_not_ours_to_trust_is_a_problem() {
    let scratch = tempfile::tempdir().unwrap();
    let link = scratch.path().join("link");
    std::os::unix::fs::symlink(scratch.path(), &link).unwrap();
    let folders = [link];
    let listing = list_in(&folders);
    assert!(matches!(listing.problems[..], [Problem::Folder(FolderError::Symlink { .. })]));
    let is_symlink = |error| matches!(error, FindError::Folder(FolderError::Symlink { .. }));
    assert!(is_symlink(only_in(&folders).unwrap_err()) && is_symlink(find_in(&folders, 1).unwrap_err()));
}
