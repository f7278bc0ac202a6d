//! Stories that every destination must survive.

/// Makes one test per destination for each of these stories.
macro_rules! on_each_destination {
    ($($story:ident)*) => {
        mod postgres {
            $(#[test]
            fn $story() {
                super::$story(crate::harness::destination::Kind::Postgres);
            })*
        }
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[test]
            fn $story() {
                super::$story(crate::harness::destination::Kind::Sqlite);
            })*
        }
    };
}

pub(crate) use on_each_destination;
