//! Support for the tests: the program in a folder of its own, terminals, and figures recomputed from its output.

pub(crate) mod corpus;
pub(crate) mod program;
pub(crate) mod screen;
pub(crate) mod served;
pub(crate) mod terminal;
pub(crate) mod totals;
