//! MP4 files of one H.264 track (ISO/IEC 14496-12 and 14496-15).

/// One picture of a track.
pub(crate) struct Sample {
    /// NAL units, each after its length in four bytes.
    pub(crate) data: Vec<u8>,
    /// Whether decoding can start here.
    pub(crate) is_key: bool,
}

/// An H.264 track of constant frame rate.
pub(crate) struct Track {
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Frame period: `frame_ticks` of `1 / timescale` s.
    pub(crate) timescale: u32,
    pub(crate) frame_ticks: u32,
    /// Sequence and picture parameter sets, without start codes.
    pub(crate) sequence_parameters: Vec<u8>,
    pub(crate) picture_parameters: Vec<u8>,
    pub(crate) samples: Vec<Sample>,
}

/// A box: size, name, content.
fn boxed(name: [u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = (content.len() as u32 + 8).to_be_bytes().to_vec();
    bytes.extend(name);
    bytes.extend(content);
    bytes
}

/// A box with a version and flags.
fn full(name: [u8; 4], flags: u32, content: &[u8]) -> Vec<u8> {
    boxed(name, &[&flags.to_be_bytes(), content].concat())
}

fn container(name: [u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    boxed(name, &parts.concat())
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// The rotation by nothing.
const UNITY: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

impl Track {
    /// The file: its index comes first, so that a browser can start before it has all of it.
    pub(crate) fn file(&self) -> Vec<u8> {
        let kind = boxed(*b"ftyp", b"isom\0\0\x02\0isomiso2avc1mp41");
        // The index holds where the data starts, which depends on the length of the index, not on that number.
        let data_start = kind.len() + self.index(0).len() + 8;
        let mut file = kind;
        file.extend(self.index(data_start as u32));
        let data: Vec<&[u8]> = self.samples.iter().map(|sample| sample.data.as_slice()).collect();
        file.extend(boxed(*b"mdat", &data.concat()));
        file
    }

    fn duration(&self) -> u32 {
        self.frame_ticks * self.samples.len() as u32
    }

    fn index(&self, data_start: u32) -> Vec<u8> {
        let mut movie = words(&[0, 0, self.timescale, self.duration(), 0x1_0000, 0x0100_0000, 0, 0]);
        movie.extend(words(&UNITY));
        movie.extend(words(&[0, 0, 0, 0, 0, 0, 2]));
        container(*b"moov", &[full(*b"mvhd", 0, &movie), self.track(data_start)])
    }

    fn track(&self, data_start: u32) -> Vec<u8> {
        let mut header = words(&[0, 0, 1, 0, self.duration(), 0, 0, 0, 0]);
        header.extend(words(&UNITY));
        header.extend(words(&[u32::from(self.width) << 16, u32::from(self.height) << 16]));
        // 0x55c4 is `und`: no language.
        let media_header = words(&[0, 0, self.timescale, self.duration(), 0x55c4_0000]);
        let handler = [&words(&[0])[..], b"vide", &[0; 12], b"video\0"].concat();
        let reference = full(*b"dref", 0, &[words(&[1]), full(*b"url ", 1, &[])].concat());
        let information = container(
            *b"minf",
            &[
                full(*b"vmhd", 1, &[0; 8]),
                container(*b"dinf", &[reference]),
                container(*b"stbl", &self.tables(data_start)),
            ],
        );
        let media = [full(*b"mdhd", 0, &media_header), full(*b"hdlr", 0, &handler), information];
        // Flags: enabled, in the movie, in the preview.
        container(*b"trak", &[full(*b"tkhd", 7, &header), container(*b"mdia", &media)])
    }

    fn tables(&self, data_start: u32) -> Vec<Vec<u8>> {
        let count = self.samples.len() as u32;
        let sizes: Vec<u32> = self.samples.iter().map(|sample| sample.data.len() as u32).collect();
        let keys: Vec<u32> =
            (1..).zip(&self.samples).filter(|(_, it)| it.is_key).map(|(number, _)| number).collect();
        vec![
            full(*b"stsd", 0, &[words(&[1]), self.description()].concat()),
            full(*b"stts", 0, &words(&[1, count, self.frame_ticks])),
            full(*b"stss", 0, &words(&[&[keys.len() as u32], &keys[..]].concat())),
            // One chunk holds every sample.
            full(*b"stsc", 0, &words(&[1, 1, count, 1])),
            full(*b"stsz", 0, &words(&[&[0, count], &sizes[..]].concat())),
            full(*b"stco", 0, &words(&[1, data_start])),
        ]
    }

    fn description(&self) -> Vec<u8> {
        let mut entry = vec![0; 6];
        entry.extend([0, 1]);
        entry.extend([0; 16]);
        entry.extend(self.width.to_be_bytes());
        entry.extend(self.height.to_be_bytes());
        // 72 dpi, one frame in a sample, no name of a compressor, 24 bits.
        entry.extend(words(&[0x48_0000, 0x48_0000, 0]));
        entry.extend([0, 1]);
        entry.extend([0; 32]);
        entry.extend([0, 24, 0xff, 0xff]);
        entry.extend(boxed(*b"avcC", &self.decoder_configuration()));
        // ITU-R BT.709 primaries, transfer and matrix, limited range: as `planes` converts.
        entry.extend(boxed(*b"colr", b"nclx\0\x01\0\x01\0\x01\0"));
        entry.extend(boxed(*b"pasp", &words(&[1, 1])));
        boxed(*b"avc1", &entry)
    }

    fn decoder_configuration(&self) -> Vec<u8> {
        let (sequence, picture) = (&self.sequence_parameters, &self.picture_parameters);
        let [profile, compatibility, level] = [1, 2, 3].map(|i| sequence.get(i).copied().unwrap_or(0));
        // Lengths of NAL units take four bytes; one set of each kind.
        let mut bytes = vec![1, profile, compatibility, level, 0xff, 0xe1];
        for (set, count) in [(sequence, None), (picture, Some(1))] {
            bytes.extend(count);
            bytes.extend((set.len() as u16).to_be_bytes());
            bytes.extend(set);
        }
        bytes
    }
}
