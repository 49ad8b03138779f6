//! The house as it is drawn: no circle of files, no import up, whole types in their rooms, plain docs.

mod planted;
mod prose;
mod readme;
mod trees;
mod workspace;
