//! Numbers in a fixed order, whatever they are made of.

use crate::{Lanes, Number, Row};

/// A family of types that hold the same numbers: values in a formula, rows in memory, operations in a recording.
///
/// Its numbers are visited in the order of its fields, so that loading, storing, saving and recording cannot disagree.
/// [`fields!`](crate::fields) makes one of a struct.
pub trait Fields: 'static {
    /// The numbers, each an `R`.
    type Of<R: Number>: Number;

    /// Each number the same.
    fn splat<R: Number>(value: R) -> Self::Of<R>;
    /// Makes other numbers of these, one by one.
    fn map<A: Number, B: Number>(from: &Self::Of<A>, map: &mut impl Map<A, B>) -> Self::Of<B>;
    /// Shows each number beside one of another group.
    fn zip<A: Number, B: Number>(into: &mut Self::Of<A>, from: &Self::Of<B>, zip: &mut impl Zip<A, B>);

    /// One vector of lanes of a block.
    #[inline(always)]
    #[must_use]
    fn load<L: Lanes>(rows: &Self::Of<Row>, vector: usize) -> Self::Of<L> {
        Self::map(rows, &mut Load(vector))
    }

    /// Overwrites one vector of lanes of a block.
    #[inline(always)]
    fn store<L: Lanes>(rows: &mut Self::Of<Row>, vector: usize, values: &Self::Of<L>) {
        Self::zip(rows, values, &mut Store(vector));
    }

    /// Overwrites the lanes of one vector that a mask holds for.
    #[inline(always)]
    fn store_where<L: Lanes>(rows: &mut Self::Of<Row>, vector: usize, mask: L::Mask, values: &Self::Of<L>) {
        Self::zip(rows, values, &mut StoreWhere { vector, mask });
    }

    /// One env of a block.
    #[must_use]
    fn lane(rows: &Self::Of<Row>, lane: usize) -> Self::Of<f32> {
        Self::map(rows, &mut Lane(lane))
    }

    /// Overwrites one env of a block.
    fn set_lane(rows: &mut Self::Of<Row>, lane: usize, values: &Self::Of<f32>) {
        Self::zip(rows, values, &mut Lane(lane));
    }
}

/// What [`Fields::map`] makes of each number. A trait with inlined methods, not a closure, so that it is compiled for the
/// instruction set at hand.
pub trait Map<A, B> {
    /// Makes one.
    fn one(&mut self, from: &A) -> B;
}

/// What [`Fields::zip`] does with each pair.
pub trait Zip<A, B> {
    /// Treats one.
    fn pair(&mut self, into: &mut A, from: &B);
}

struct Load(usize);

impl<L: Lanes> Map<Row, L> for Load {
    #[inline(always)]
    fn one(&mut self, row: &Row) -> L {
        row.load(self.0)
    }
}

struct Store(usize);

impl<L: Lanes> Zip<Row, L> for Store {
    #[inline(always)]
    fn pair(&mut self, row: &mut Row, value: &L) {
        row.store(self.0, *value);
    }
}

struct StoreWhere<M> {
    vector: usize,
    mask: M,
}

impl<L: Lanes> Zip<Row, L> for StoreWhere<L::Mask> {
    #[inline(always)]
    fn pair(&mut self, row: &mut Row, value: &L) {
        row.store_where(self.vector, self.mask, *value);
    }
}

struct Lane(usize);

impl Map<Row, f32> for Lane {
    fn one(&mut self, row: &Row) -> f32 {
        row[self.0]
    }
}

impl Zip<Row, f32> for Lane {
    fn pair(&mut self, row: &mut Row, value: &f32) {
        row[self.0] = *value;
    }
}

/// No numbers.
impl Fields for () {
    type Of<R: Number> = ();

    #[inline(always)]
    fn splat<R: Number>(_: R) {}
    #[inline(always)]
    fn map<A: Number, B: Number>((): &(), _: &mut impl Map<A, B>) {}
    #[inline(always)]
    fn zip<A: Number, B: Number>((): &mut (), (): &(), _: &mut impl Zip<A, B>) {}
}

/// So many numbers, of which there is one at least.
impl<const N: usize> Fields for [(); N] {
    type Of<R: Number> = [R; N];

    #[inline(always)]
    fn splat<R: Number>(value: R) -> [R; N] {
        [value; N]
    }
    #[inline(always)]
    fn map<A: Number, B: Number>(from: &[A; N], map: &mut impl Map<A, B>) -> [B; N] {
        // A loop: a closure would be compiled for no instruction set.
        let mut values = [map.one(&from[0]); N];
        for (value, from) in values.iter_mut().zip(from).skip(1) {
            *value = map.one(from);
        }
        values
    }
    #[inline(always)]
    fn zip<A: Number, B: Number>(into: &mut [A; N], from: &[B; N], zip: &mut impl Zip<A, B>) {
        for (into, from) in into.iter_mut().zip(from) {
            zip.pair(into, from);
        }
    }
}

/// Makes a struct whose fields are arrays of numbers, and its family: `Name<()>` is the [`Fields`] of every `Name<R>`.
///
/// ```
/// use eyas_lanes::{Fields, Row, fields};
///
/// fields! {
///     /// What an env remembers of its actions.
///     pub struct Memory {
///         /// The last.
///         action: 4,
///     }
/// }
///
/// let mut rows = <Memory<()> as Fields>::splat(Row::ZERO);
/// <Memory<()> as Fields>::set_lane(&mut rows, 7, &Memory { action: [1.0, 2.0, 3.0, 4.0] });
/// assert_eq!(rows.action[2][7], 3.0);
/// ```
#[macro_export]
macro_rules! fields {
    ($(#[$about:meta])* $seen:vis struct $name:ident { $($(#[$about_field:meta])* $field:ident: $width:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        $seen struct $name<R> {
            $($(#[$about_field])* $seen $field: [R; $width],)+
        }

        impl $crate::Fields for $name<()> {
            type Of<R: $crate::Number> = $name<R>;

            #[inline(always)]
            fn splat<R: $crate::Number>(value: R) -> $name<R> {
                $name { $($field: [value; $width],)+ }
            }
            #[inline(always)]
            fn map<A: $crate::Number, B: $crate::Number>(
                from: &$name<A>,
                map: &mut impl $crate::Map<A, B>,
            ) -> $name<B> {
                $(
                    let mut $field = [map.one(&from.$field[0]); $width];
                    let mut index = 1;
                    while index < $width {
                        $field[index] = map.one(&from.$field[index]);
                        index += 1;
                    }
                )+
                $name { $($field,)+ }
            }
            #[inline(always)]
            fn zip<A: $crate::Number, B: $crate::Number>(
                into: &mut $name<A>,
                from: &$name<B>,
                zip: &mut impl $crate::Zip<A, B>,
            ) {
                $(
                    for index in 0..$width {
                        zip.pair(&mut into.$field[index], &from.$field[index]);
                    }
                )+
            }
        }
    };
}
