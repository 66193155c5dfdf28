// The log-mel spectrogram of audio/spectrogram.py, in a page: librosa's, in double precision.
import { loadWindows } from "./recording.js";

const POWER_FLOOR = 1e-10, DYNAMIC_RANGE = 80;

export async function extract(track, settings) {
  const file = track.files.audio;
  if (!file) return null;
  const { sample_rate: rate, frames, hop_length: hop, mel_bands: bands, windows, crop } = settings;
  const waveforms = await loadWindows(file, rate, frames * hop - 1, windows, crop);
  const values = new Float32Array(windows * bands * frames);
  waveforms.forEach((waveform, number) => values.set(logMel(waveform, settings), number * bands * frames));
  return { features: { log_mel: values.map(half) } };
}

// The spectrogram as a picture, several windows one after the other, as of audio/picture.py.
export function picture({ log_mel: decibels }, { mel_bands: bands, frames, windows, hop_length: hop, sample_rate: rate }) {
  const width = frames * windows, values = new Uint8Array(decibels.length);
  let top = -Infinity;
  for (const value of decibels) top = Math.max(top, value);
  for (let k = 0; k < decibels.length; k += 1) {
    const frame = k % frames, band = Math.floor(k / frames) % bands, window = Math.floor(k / (frames * bands));
    const share = Math.max(0, Math.min(1, 1 + (decibels[k] - top) / DYNAMIC_RANGE));
    values[(bands - 1 - band) * width + window * frames + frame] = Math.floor(255 * share + 0.5);
  }
  const seconds = +(frames * hop / rate).toPrecision(3);
  const caption = `Mel spectrogram of ${windows === 1 ? "" : `${windows} windows of `}${seconds} s, from 0 Hz (below) to ${(rate / 2).toLocaleString("en")} Hz on the mel scale; the range is ${DYNAMIC_RANGE} dB`;
  return { width, height: bands, values, caption };
}

function logMel(waveform, { sample_rate: rate, n_fft: size, hop_length: hop, mel_bands: bands, frames }) {
  const shape = window(size), filters = melFilters(rate, size, bands), transform = fft(size);
  const real = new Float64Array(size), imaginary = new Float64Array(size), power = new Float64Array(size / 2 + 1);
  const mel = new Float64Array(bands * frames);
  let top = -Infinity;
  for (let frame = 0; frame < frames; frame += 1) {
    const start = frame * hop - size / 2; // frames are centred on a signal between zeros
    for (let n = 0; n < size; n += 1) real[n] = (waveform[start + n] ?? 0) * shape[n];
    imaginary.fill(0);
    transform(real, imaginary);
    for (let k = 0; k < power.length; k += 1) power[k] = real[k] ** 2 + imaginary[k] ** 2;
    filters.forEach(({ first, weights }, band) => {
      let sum = 0;
      for (let k = 0; k < weights.length; k += 1) sum += weights[k] * power[first + k];
      const decibels = 10 * Math.log10(Math.max(sum, POWER_FLOOR));
      mel[band * frames + frame] = decibels;
      top = Math.max(top, decibels);
    });
  }
  return mel.map((value) => Math.max(value, top - DYNAMIC_RANGE));
}

function window(size) {
  return Float64Array.from({ length: size }, (_, n) => 0.5 - 0.5 * Math.cos(2 * Math.PI * n / size));
}

// Slaney's mel scale: linear to 1,000 Hz, logarithmic above; triangles of unit area.
const KNEE = 15, HERTZ_PER_MEL = 200 / 3, STEP = Math.log(6.4) / 27;
const toMel = (hertz) => (hertz < 1000 ? hertz / HERTZ_PER_MEL : KNEE + Math.log(hertz / 1000) / STEP);
const toHertz = (mel) => (mel < KNEE ? mel * HERTZ_PER_MEL : 1000 * Math.exp(STEP * (mel - KNEE)));

function melFilters(rate, size, bands) {
  const top = toMel(rate / 2);
  const edges = Array.from({ length: bands + 2 }, (_, k) => toHertz(top * k / (bands + 1)));
  return Array.from({ length: bands }, (_, band) => {
    const [low, middle, high] = edges.slice(band, band + 3), weights = [];
    const first = Math.ceil(low * size / rate);
    for (let k = first; k <= size / 2 && k * rate / size < high; k += 1) {
      const hertz = k * rate / size;
      weights.push(Math.max(0, Math.min((hertz - low) / (middle - low), (high - hertz) / (high - middle))) * 2 / (high - low));
    }
    return { first, weights };
  });
}

// A Fourier transform of a power of two, in place (Cooley and Tukey 1965).
function fft(size) {
  const cosines = Float64Array.from({ length: size / 2 }, (_, k) => Math.cos(2 * Math.PI * k / size));
  const sines = Float64Array.from({ length: size / 2 }, (_, k) => -Math.sin(2 * Math.PI * k / size));
  const bits = Math.log2(size);
  const reversed = Uint32Array.from({ length: size }, (_, n) => {
    let found = 0;
    for (let bit = 0; bit < bits; bit += 1) found |= (n >> bit & 1) << (bits - 1 - bit);
    return found;
  });
  return (real, imaginary) => {
    for (let n = 0; n < size; n += 1) {
      const other = reversed[n];
      if (other > n) {
        [real[n], real[other]] = [real[other], real[n]];
        [imaginary[n], imaginary[other]] = [imaginary[other], imaginary[n]];
      }
    }
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0; k < half; k += 1) {
          const a = start + k, b = a + half, c = cosines[k * stride], s = sines[k * stride];
          const re = real[b] * c - imaginary[b] * s, im = real[b] * s + imaginary[b] * c;
          real[b] = real[a] - re; imaginary[b] = imaginary[a] - im;
          real[a] += re; imaginary[a] += im;
        }
      }
    }
  };
}

// To the nearest number of float16, the precision of stored features.
function half(value) {
  if (value === 0) return 0;
  const step = 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(value)))) - 10), steps = value / step;
  const near = Math.round(steps);
  return (Math.abs(steps - Math.trunc(steps)) === 0.5 ? 2 * Math.round(steps / 2) : near) * step;
}
