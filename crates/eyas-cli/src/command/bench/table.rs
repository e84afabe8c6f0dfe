//! What was measured, for people and for programs.

use eyas_lanes::Isa;
use serde_json::{Value, json};

use super::Row;

/// Where it was measured.
pub(super) struct Machine {
    pub(super) processor: String,
    /// The GPU that fits students, if one does.
    pub(super) gpu: Option<String>,
    pub(super) isa: Isa,
    pub(super) threads: usize,
    /// Most multiply-adds of one core, 10⁹ operations a second.
    pub(super) peak: f64,
    pub(super) peers: Vec<String>,
}

impl Machine {
    pub(super) fn header(&self) -> String {
        let plural = if self.threads == 1 { "" } else { "s" };
        let machine = format!(
            "eyas {} on {} ({}), {} thread{plural}{}; peak of a core {:.0} GFLOP/s\n",
            env!("CARGO_PKG_VERSION"),
            self.processor,
            self.isa,
            self.threads,
            self.gpu.as_ref().map_or(String::new(), |gpu| format!(", and {gpu}")),
            self.peak
        );
        let names = self.peers.iter().enumerate();
        let names = names.map(|(index, peer)| format!("[{}] {peer}, 1 thread\n", index + 1));
        let columns = (1..=self.peers.len()).map(|index| pair(&format!("[{index}]"), "ratio"));
        let own = format!("\n{:<18}{:>24}{:>10}{:>9}", "work", "median rate", "GFLOP/s", "of peak");
        [machine].into_iter().chain(names).chain([own]).chain(columns).collect()
    }

    pub(super) fn json(&self, rows: &[Row]) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "processor": self.processor,
            "gpu": self.gpu,
            "isa": self.isa.to_string(),
            "threads": self.threads,
            "peak_gflops": self.peak,
            "peers": self.peers,
            "works": rows.iter().map(Row::json).collect::<Vec<_>>(),
        })
    }
}

impl Row {
    pub(super) fn line(&self, machine: &Machine) -> String {
        let rate = median(&self.own);
        let network = self.flops.map(|flops| flops * rate / 1e9).map(|gflops| {
            let share = 100.0 * gflops / machine.peak / machine.threads as f64;
            [format!("{gflops:.1}"), format!("{share:.0} %")]
        });
        let [gflops, share] = network.unwrap_or_default();
        let own = format!(
            "{:<18}{:>24}{gflops:>10}{share:>9}",
            self.work,
            format!("{} {}/s", amount(rate), self.unit)
        );
        let peers = self.peers.iter().map(|peer| match peer {
            Some(rates) => {
                let [low, middle, high] = self.ratios(rates);
                pair(&amount(median(rates)), &format!("{middle:.2} [{low:.2}, {high:.2}]"))
            }
            None => pair("–", ""),
        });
        [own].into_iter().chain(peers).collect::<String>().trim_end().to_owned()
    }

    /// Least, median and greatest ratio to a peer of the rounds.
    fn ratios(&self, rates: &[f64]) -> [f64; 3] {
        let ratios: Vec<f64> = self.own.iter().zip(rates).map(|(own, peer)| own / peer).collect();
        let ends = |pick: fn(f64, f64) -> f64| ratios.iter().copied().fold(median(&ratios), pick);
        [ends(f64::min), median(&ratios), ends(f64::max)]
    }

    fn json(&self) -> Value {
        json!({
            "work": self.work,
            "unit": self.unit,
            "rates": self.own,
            "median_rate": median(&self.own),
            "gflops": self.flops.map(|flops| flops * median(&self.own) / 1e9),
            "peers": self.peers.iter().map(|peer| peer.as_ref().map(|rates| json!({
                "rates": rates,
                "median_ratio": self.ratios(rates)[1],
            }))).collect::<Vec<_>>(),
        })
    }
}

/// The two columns of a peer.
fn pair(rate: &str, ratio: &str) -> String {
    format!("{rate:>12}{ratio:>22}")
}

fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Three digits and a prefix: `31.8 M`.
fn amount(number: f64) -> String {
    let (scaled, prefix) = match number {
        1e9.. => (number / 1e9, " G"),
        1e6.. => (number / 1e6, " M"),
        1e3.. => (number / 1e3, " k"),
        _ => (number, ""),
    };
    let digits = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
    format!("{scaled:.digits$}{prefix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(
            [31.84e6, 0.651, 999.0, 1234.0, 2.1e9].map(amount),
            ["31.8 M", "0.65", "999", "1.23 k", "2.10 G"]
        );
    }

    #[test]
    fn a_ratio_is_of_rates_of_the_same_round() {
        let row = Row { work: "w", unit: "u", flops: None, own: vec![10.0, 20.0, 30.0], peers: Vec::new() };
        let close = |rates: &[f64], expected: [f64; 3]| {
            assert!(row.ratios(rates).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12));
        };
        close(&[10.0, 10.0, 10.0], [1.0, 2.0, 3.0]);
        close(&[10.0, 20.0, 30.0], [1.0; 3]);
    }
}
