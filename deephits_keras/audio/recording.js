// A recording in a page: decoded by the browser at its own rate, mixed to mono, resampled as by soxr's HQ.
const SHORTEST_SECONDS = 0.05, SILENCE = 1e-5, CANCELLED = 1e-4, SPARSE = 64; // as of audio/decoding.py
const PASSBAND = 0.913, ATTENUATION = 125; // of soxr's HQ: the passband's end over half the lower rate, dB
const USUAL_RATE = 44100; // of containers that aren't looked into
const MP3_RATES = { 0: [11025, 12000, 8000], 2: [22050, 24000, 16000], 3: [44100, 48000, 32000] };

// Mono waveforms (Float32Array) of windows that are spread over a recording, at `rate` Hz.
export async function loadWindows(file, rate, samples, count, crop) {
  const recording = await decoded(file);
  const total = Math.floor(recording.mono.length * rate / recording.rate + 0.5);
  const starts = windowStarts(total, samples, count, crop);
  const windows = starts.map((start) => resampled(recording, rate, start, Math.min(total, start + samples)));
  if (Math.max(...windows.map(peakOf)) < SILENCE) throw new Error(`${file.name} is silent in the part that is analysed`);
  return windows;
}

export function windowStarts(samples, wanted, count, crop) {
  const last = Math.max(0, samples - wanted);
  return Array.from({ length: count }, (_, number) => Math.min(last, Math.max(0, crop === "start"
    ? Math.floor(number * samples / count)
    : Math.floor(((2 * number + 1) * samples - count * wanted) / (2 * count)))));
}

async function decoded(file) {
  const bytes = await file.arrayBuffer();
  const rate = rateOf(new DataView(bytes)) ?? USUAL_RATE;
  let buffer;
  try {
    // decodeAudioData resamples to its context's rate, so the context gets the recording's own.
    buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  } catch {
    throw new Error(`${file.name} can't be decoded: it is damaged, or isn't a recording that this browser plays`);
  }
  if (buffer.length < SHORTEST_SECONDS * rate) throw new Error(`${file.name} holds no sound: ${buffer.length} samples could be decoded`);
  return { mono: mixed(buffer, file.name), rate };
}

function mixed(buffer, name) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, k) => buffer.getChannelData(k));
  if (channels.length === 1) return channels[0];
  const mono = new Float32Array(buffer.length);
  for (const channel of channels) for (let n = 0; n < mono.length; n += 1) mono[n] += channel[n] / channels.length;
  const power = (values) => { let sum = 0; for (let n = 0; n < values.length; n += SPARSE) sum += values[n] ** 2; return sum; };
  const before = channels.reduce((sum, channel) => sum + power(channel), 0) / channels.length;
  if (power(mono) < CANCELLED * before) throw new Error(`${name} has channels that cancel each other out: mixed to mono, almost nothing is left`);
  return mono;
}

function peakOf(waveform) {
  let peak = 0;
  for (const sample of waveform) peak = Math.max(peak, Math.abs(sample));
  return peak;
}

// Samples `start` to `stop` of a recording at another rate: a polyphase Kaiser-windowed sinc.
function resampled({ mono, rate: from }, to, start, stop) {
  if (from === to) return mono.slice(start, stop);
  const divisor = gcd(from, to), up = to / divisor, down = from / divisor;
  const { phases, half } = lowPass(from, Math.min(from, to) / from, up);
  const found = new Float32Array(stop - start);
  for (let n = start; n < stop; n += 1) {
    const first = Math.floor(n * down / up) - half + 1, taps = phases[(n * down) % up];
    let sum = 0;
    for (let k = Math.max(0, -first), end = Math.min(taps.length, mono.length - first); k < end; k += 1) sum += taps[k] * mono[first + k];
    found[n - start] = sum;
  }
  return found;
}

// The taps of each of `up` phases; `band` is half the lower rate over half the rate of the input.
function lowPass(from, band, up) {
  const cutoff = band * (1 + PASSBAND) / 2, transition = Math.PI * band * (1 - PASSBAND);
  const half = Math.ceil((ATTENUATION - 7.95) / (2.285 * transition) / 2), beta = 0.1102 * (ATTENUATION - 8.7);
  const tap = (x) => {
    const inside = 1 - (x / half) ** 2, angle = Math.PI * cutoff * x;
    return inside < 0 ? 0 : cutoff * (x === 0 ? 1 : Math.sin(angle) / angle) * bessel(beta * Math.sqrt(inside)) / bessel(beta);
  };
  const phases = Array.from({ length: up }, (_, phase) => Float64Array.from({ length: 2 * half }, (__, k) => tap(k - half + 1 - phase / up)));
  return { phases, half };
}

// The modified Bessel function of order 0, by its power series.
function bessel(x) {
  let sum = 1, term = 1;
  for (let k = 1; term > 1e-17 * sum; k += 1) { term *= (x / (2 * k)) ** 2; sum += term; }
  return sum;
}

function gcd(a, b) { return b === 0 ? a : gcd(b, a % b); }

// The sample rate in the header of WAV, FLAC, Ogg Vorbis, Opus and MP3; undefined of other files.
function rateOf(view) {
  if (view.byteLength < 64) return undefined;
  const word = (at, length = 4) => String.fromCharCode(...new Uint8Array(view.buffer, at, length));
  if (word(0) === "RIFF") return view.getUint32(24, true) || undefined;
  if (word(0) === "fLaC") return (view.getUint32(18) >>> 12) || undefined;
  if (word(0) === "OggS") return word(28, 8) === "OpusHead" ? 48000 : view.getUint32(40, true) || undefined;
  let at = 0;
  if (word(0, 3) === "ID3") at = 10 + [6, 7, 8, 9].reduce((size, k) => size * 128 + view.getUint8(k), 0);
  for (const end = Math.min(at + 65536, view.byteLength - 4); at < end; at += 1) {
    const head = view.getUint32(at), rate = MP3_RATES[(head >>> 19) & 3]?.[(head >>> 10) & 3];
    if (head >>> 21 === 0x7ff && (head >>> 17 & 3) === 1 && rate) return rate;
  }
  return undefined;
}
