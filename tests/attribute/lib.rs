//! Our `#[test]` attribute, for our own runner.
//!
//! The compiler's `#[test]` hands a function to the standard runner, in which a test cannot skip itself at
//! run time. This one hands it to `tests/runner.rs`.

use proc_macro::{TokenStream, TokenTree};

/// Adds a function to the list of tests, under its path.
#[proc_macro_attribute]
pub fn test(_: TokenStream, function: TokenStream) -> TokenStream {
    let mut tokens = function.clone().into_iter();
    let name = tokens
        .by_ref()
        .find(|token| matches!(token, TokenTree::Ident(word) if word.to_string() == "fn"))
        .and_then(|_| tokens.next())
        .expect("#[test] stands before a function");
    let listed = format!(
        "::inventory::submit! {{
            crate::runner::Test {{ path: concat!(module_path!(), \"::\", stringify!({name})), run: {name} }}
        }}"
    );
    let listed: TokenStream = listed.parse().expect("these are tokens");
    function.into_iter().chain(listed).collect()
}
