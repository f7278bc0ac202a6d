//! Loads as people run them: what ends in the tables, and how the command ends.

use crate::harness::load::Load;

#[test]
fn a_bad_line_is_set_aside_with_its_place_and_every_reason() {
    Load::of("{\"n\":1}\n{\"n\":\"x\"}\n{\"m\":2}\n")
        .schema("n int, m int")
        .run()
        .exit(3)
        .rows([])
        .rejects([(1, "missing m"), (2, "int_parsing n, missing m"), (3, "missing n")])
        .counts("3 rejected");
}
