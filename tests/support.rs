//! What the tests share: the program in a place of its own, terminals, and figures recomputed from its output.

pub(crate) mod corpus;
pub(crate) mod program;
pub(crate) mod screen;
pub(crate) mod served;
pub(crate) mod terminal;
pub(crate) mod totals;
