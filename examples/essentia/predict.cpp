// Score a recording with Essentia alone: loader, log-mel spectrogram, model.
//
//     deephits export RUN BUNDLE --format essentia
//     g++ -std=c++17 predict.cpp -o predict $(pkg-config --cflags --libs essentia)
//     ./predict BUNDLE song.mp3
//
// Essentia must be built with TensorFlow. The constants are the default settings of `mel_cnn`, and
// the model has no other input than the spectrogram: those of another one are in model.json.

#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <essentia/algorithmfactory.h>
#include <essentia/essentia.h>
#include <essentia/pool.h>

using namespace essentia;
using namespace essentia::standard;

constexpr int kRate = 22050, kSize = 1024, kHop = 512, kBands = 128, kFrames = 1292;
const std::string kPopularity = "Identity_1";  // of a regression and of tiers alike

// Edges of Slaney's mel bands in Hz: linear up to 1,000 Hz, then logarithmic.
std::vector<Real> bandEdges(int bands, double highest) {
  const double step = std::log(6.4) / 27;
  const double top = highest < 1000 ? 3 * highest / 200 : 15 + std::log(highest / 1000) / step;
  std::vector<Real> edges;
  for (int place = 0; place < bands + 2; ++place) {
    const double mel = top * place / (bands + 1);
    edges.push_back(mel < 15 ? 200 * mel / 3 : 1000 * std::exp(step * (mel - 15)));
  }
  return edges;
}

// The middle thirty seconds; a shorter recording is padded with silence.
std::vector<Real> load(const std::string& path) {
  std::vector<Real> audio;
  // The best resampling: Essentia's default loses the highest bands.
  std::unique_ptr<Algorithm> loader(AlgorithmFactory::create(
      "MonoLoader", "filename", path, "sampleRate", kRate, "resampleQuality", 0));
  loader->output("audio").set(audio);
  loader->compute();
  const size_t samples = kFrames * kHop - 1;
  if (audio.size() > samples) {
    const size_t start = (audio.size() - samples) / 2;
    return std::vector<Real>(audio.begin() + start, audio.begin() + start + samples);
  }
  audio.resize(std::max<size_t>(audio.size(), (kFrames - 1) * kHop), 0);
  return audio;
}

Tensor<Real> logMel(const std::string& path) {
  std::vector<Real> audio = load(path), frame, windowed, power, mel;
  std::unique_ptr<Algorithm> cutter(AlgorithmFactory::create(
      "FrameCutter", "frameSize", kSize, "hopSize", kHop, "startFromZero", false));
  std::unique_ptr<Algorithm> window(AlgorithmFactory::create(
      "Windowing", "type", "hann", "size", kSize, "normalized", false, "symmetric", false));
  std::unique_ptr<Algorithm> spectrum(AlgorithmFactory::create("PowerSpectrum", "size", kSize));
  std::unique_ptr<Algorithm> bands(AlgorithmFactory::create(
      "TriangularBands", "frequencyBands", bandEdges(kBands, kRate / 2.0), "inputSize",
      kSize / 2 + 1, "sampleRate", kRate, "type", "magnitude", "normalize", "unit_tri",
      "weighting", "linear", "log", false));
  cutter->input("signal").set(audio);
  cutter->output("frame").set(frame);
  window->input("frame").set(frame);
  window->output("frame").set(windowed);
  spectrum->input("signal").set(windowed);
  spectrum->output("powerSpectrum").set(power);
  bands->input("spectrum").set(power);
  bands->output("bands").set(mel);

  Tensor<Real> decibels(1, 1, kBands, kFrames);
  decibels.setConstant(-100);
  Real loudest = -100;
  for (int time = 0; time < kFrames; ++time) {
    for (Algorithm* each : {cutter.get(), window.get(), spectrum.get(), bands.get()})
      each->compute();
    for (int band = 0; band < kBands; ++band) {
      const Real level = 10 * std::log10(std::max(mel[band], Real(1e-10)));
      decibels(0, 0, band, time) = level;
      loudest = std::max(loudest, level);
    }
  }
  return decibels.cwiseMax(loudest - 80);
}

int main(int count, char** words) {
  if (count != 3) {
    std::cerr << "usage: predict BUNDLE RECORDING\n";
    return 2;
  }
  essentia::init();
  {
    Tensor<Real> present(1, 1, 1, 1);
    present.setConstant(1);
    Pool given, found;
    given.set("mel_log_mel", logMel(words[2]));
    given.set("mel_present", present);
    std::unique_ptr<Algorithm> model(AlgorithmFactory::create(
        "TensorflowPredict", "graphFilename", std::string(words[1]) + "/model.pb", "inputs",
        std::vector<std::string>{"mel_log_mel", "mel_present"}, "outputs",
        std::vector<std::string>{kPopularity}, "squeeze", false));
    model->input("poolIn").set(given);
    model->output("poolOut").set(found);
    model->compute();
    std::cout << found.value<Tensor<Real>>(kPopularity)(0, 0, 0, 0) << "\n";
  }
  essentia::shutdown();
}
