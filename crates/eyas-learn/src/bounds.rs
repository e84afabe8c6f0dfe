//! What settings may ask for at most: more than this no machine holds or no run gets through, and asking for it is a slip.

/// Parameters of a dense network, 1 GiB of them.
const MOST_PARAMETERS: usize = 1 << 28;
const WIDEST: usize = 1 << 16;

/// Refuses the first of some counts that is too large; each has a key and the most that it may be.
pub(crate) fn at_most(group: &str, counts: &[(&str, u64, u64)]) -> Result<(), String> {
    match counts.iter().find(|(_, value, most)| value > most) {
        None => Ok(()),
        Some((name, value, most)) => Err(format!("`{group}.{name}` = {value}, expected at most {most}")),
    }
}

/// Refuses widths of layers that no memory holds, or that are 0.
pub(crate) fn widths(key: &str, widths: &[usize]) -> Result<(), String> {
    if widths.contains(&0) {
        return Err(format!("`{key}` holds 0, expected widths of at least 1"));
    }
    if let Some(width) = widths.iter().find(|width| **width > WIDEST) {
        return Err(format!("`{key}` holds {width}, expected widths of at most {WIDEST}"));
    }
    let parameters: usize = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
    if parameters > MOST_PARAMETERS {
        return Err(format!(
            "`{key}`: layers of {parameters} parameters, expected at most {MOST_PARAMETERS} (1 GiB)"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_memory_holds_is_refused_with_the_bound() {
        assert_eq!(widths("it", &[64, 64]), Ok(()));
        assert!(widths("it", &[64, 0]).unwrap_err().contains("at least 1"));
        assert!(widths("it", &[1_000_000_000]).unwrap_err().contains("at most 65536"));
        assert!(widths("it", &[65_536, 65_536]).unwrap_err().contains("4294967296 parameters"));
        assert_eq!(at_most("agent", &[("a", 5, 5)]), Ok(()));
        assert_eq!(at_most("agent", &[("a", 6, 5)]), Err("`agent.a` = 6, expected at most 5".into()));
    }
}
