//! What becomes of each oddity of real files.
