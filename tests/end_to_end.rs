//! End-to-end tests, through the program's command line, terminals, sockets, signals and files.

mod support;

mod attach;
mod blame;
mod cli;
mod config;
mod corpus_files;
mod corpus_statements;
mod damaged;
mod dashboard;
mod diagnosis;
mod diff;
mod echo_server;
mod exports;
mod foreign_loop;
mod glossary;
mod import;
mod killed;
mod limits;
mod lint;
mod minimize;
mod outputs;
mod pages;
mod policies;
mod pumped;
mod recorder;
mod recording;
mod rerun;
mod sequence;
mod snapshot;
mod terminal;
mod truth;
mod unfinished;
mod what_if;
mod windows;
