//! Identifies Chromium's tasks: all are slices of one name, and their args say where each was posted.

use std::borrow::Cow;

use serde::Deserialize;

/// Whether a slice is what Chromium draws around every task, by its name (`ThreadControllerImpl::RunTask`;
/// `MessageLoop::RunTask`, `ThreadPool_RunTask` in other versions and threads).
pub(super) fn is_run_task(name: &str) -> bool {
    name.strip_suffix("RunTask").is_some_and(|before| before.ends_with("::") || before.ends_with('_'))
}

/// Whether a slice is a task of Chromium's message loop, and not one of its pool.
pub(super) fn is_of_message_loop(name: &str) -> bool {
    name.ends_with("::RunTask")
}

/// The function that posted a task, with its file name, if the args contain it:
/// `EnableTaskQueue (browser_task_queues.cc)`.
///
/// Sources: `src_file` and `src_func` are what `base/trace_event` writes into JSON for a `base::Location`;
/// `task.posted_from` is its form in Perfetto's exporter.
pub(super) fn posted_from(args: &str) -> Option<String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Args<'a> {
        #[serde(borrow)]
        src_file: Option<Cow<'a, str>>,
        #[serde(borrow)]
        src_func: Option<Cow<'a, str>>,
        #[serde(borrow)]
        task: Option<Task<'a>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Task<'a> {
        #[serde(borrow)]
        posted_from: Option<Location<'a>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Location<'a> {
        #[serde(borrow)]
        file_name: Option<Cow<'a, str>>,
        #[serde(borrow)]
        function_name: Option<Cow<'a, str>>,
    }
    let args: Args<'_> = serde_json::from_str(args).ok()?;
    let posted = args.task.and_then(|task| task.posted_from).unwrap_or_default();
    let non_empty = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned).filter(|text| !text.is_empty());
    let function = non_empty(args.src_func).or_else(|| non_empty(posted.function_name));
    let file = non_empty(args.src_file).or_else(|| non_empty(posted.file_name));
    let file = file.map(|path| path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned());
    match (function, file) {
        (Some(function), Some(file)) => Some(format!("{function} ({file})")),
        (function, file) => function.or(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_post_names_a_task() {
        let non_empty = |args| posted_from(args).unwrap_or_default();
        assert_eq!(
            non_empty(r#"{"src_file":"content/a/queues.cc","src_func":"Enable","src_line":150}"#),
            "Enable (queues.cc)"
        );
        assert_eq!(
            non_empty(r#"{"task":{"posted_from":{"file_name":"base\\\\b.cc","function_name":"Post"}}}"#),
            "Post (b.cc)"
        );
        assert_eq!(non_empty(r#"{"src_file":"a/b.cc"}"#), "b.cc");
        for nothing in [r#"{"src_func":""}"#, r#"{"src_func":7}"#, r#"{"task":1}"#, "{}", "[]"] {
            assert_eq!(posted_from(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn run_task_is_known_in_its_versions() {
        for name in ["ThreadControllerImpl::RunTask", "MessageLoop::RunTask", "ThreadPool_RunTask"] {
            assert!(is_run_task(name), "{name}");
        }
        assert!(!is_run_task("RunTask") && !is_run_task("MyRunTask") && !is_run_task("A::RunTasks"));
    }
}
