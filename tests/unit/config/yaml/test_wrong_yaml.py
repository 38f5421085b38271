"""Every mistake in a config is told with file, line, column, key and mend; nothing else happens."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.config.yaml.reader import read_yaml
from bnexp.errors import BnexpError, ConfigError
from bnexp.foreign_text import visible

GOOD = """\
name: trial
data: {name: cifar10, batch_size: 64}
model:
  name: cnn
  layers: [{conv: 8}, {pool: max}, {conv: 16}]
  norm: batch
train: {epochs: 2}
"""

# Written out, so that a change of a name or of the order is seen here.
KNOWN_NORMS = (
    "batch, batch_renorm, dynamic_tanh, evonorm, filter_response, group, instance, layer, "
    "layer_channels, noisy_batch, none, rms, sync_batch"
)
KNOWN_MODELS = "cnn, convmixer, densenet, file, mlp, resnet, timm, torchvision, vgg, wide_resnet"


def replaced(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


WRONG = {
    "empty file": (
        "",
        ["c.yaml:1:1: the file is empty; a config needs at least `name`, `data` and `model`"],
    ),
    "only a comment": (
        "# nothing\n",
        ["c.yaml:1:1: the file is empty; a config needs at least `name`, `data` and `model`"],
    ),
    "a list on top": (
        "- name: x\n",
        ["c.yaml:1:1: a config is a mapping of keys to values; this is a list"],
    ),
    "a scalar on top": (
        "hello\n",
        ["c.yaml:1:1: a config is a mapping of keys to values; this is text"],
    ),
    "an unknown key at the root": (
        GOOD + "modle: {}\n",
        ["c.yaml:8:1: modle: unknown key (did you mean 'model'?)"],
    ),
    "an unknown key with nothing like it": (
        replaced("epochs: 2", "epochs: 2, zzz: 1"),
        [
            "c.yaml:7:20: train.zzz: unknown key; the keys here are checkpoint_every, compile, "
            "device, divergence_loss, epochs, log_every, memory_format, pack, precision, seed, "
            "threads, train_output_layer, trainable"
        ],
    ),
    "an unknown key of a layer": (
        replaced("{conv: 16}", "{conv: 16, kernal_size: 3}"),
        ["c.yaml:5:47: model.layers.2.kernal_size: unknown key (did you mean 'kernel_size'?)"],
    ),
    "an unknown key of a norm": (
        replaced("norm: batch", "norm: {name: batch, epsilon: 1e-3}"),
        ["c.yaml:6:23: model.norm.epsilon: unknown key (did you mean 'eps'?)"],
    ),
    "a missing section": (
        "name: trial\ndata: {name: cifar10}\n",
        ["c.yaml:1:1: model: this key is required"],
    ),
    "a model without a name": (
        replaced("  name: cnn\n", ""),
        [f"c.yaml:4:3: model.name: this key is required: one of {KNOWN_MODELS}"],
    ),
    "an unknown norm": (
        replaced("norm: batch", "norm: bacth"),
        [
            f"c.yaml:6:9: model.norm.name: 'bacth' is not one of {KNOWN_NORMS} (did you mean "
            "'batch'?)"
        ],
    ),
    "an unknown norm in a layer": (
        replaced("{conv: 16}", "{conv: 16, norm: groop}"),
        [
            f"c.yaml:5:53: model.layers.2.norm.name: 'groop' is not one of {KNOWN_NORMS} "
            "(did you mean 'group'?)"
        ],
    ),
    "an unknown dataset": (
        replaced("cifar10", "cifar1000"),
        [
            "c.yaml:2:14: data.name: 'cifar1000' is not one of cifar10, cifar100, fashion_mnist, "
            "image_folder, mnist, shapes (did you mean 'cifar100'?)"
        ],
    ),
    "an unknown placement": (
        replaced("norm: batch", "placement: before"),
        [
            "c.yaml:6:14: model.placement: 'before' is not one of before_activation, "
            "after_activation (did you mean 'before_activation'?)"
        ],
    ),
    "a text for a number": (
        replaced("epochs: 2", "epochs: two"),
        ["c.yaml:7:17: train.epochs: must be a whole number, not 'two'"],
    ),
    "a number in quotes": (
        replaced("epochs: 2", "epochs: '2'"),
        ["c.yaml:7:17: train.epochs: must be a whole number, not '2'"],
    ),
    "a fraction for a whole number": (
        replaced("epochs: 2", "epochs: 2.5"),
        ["c.yaml:7:17: train.epochs: must be a whole number, not 2.5"],
    ),
    "a boolean for a number": (
        replaced("epochs: 2", "epochs: true"),
        ["c.yaml:7:17: train.epochs: must be a whole number, not the boolean true"],
    ),
    "a YAML 1.1 boolean": (
        replaced("epochs: 2", "compile: yes"),
        ["c.yaml:7:18: train.compile: must be true or false, not 'yes'"],
    ),
    "a number with an underscore": (
        replaced("epochs: 2", "epochs: 1_000"),
        ["c.yaml:7:17: train.epochs: must be a whole number, not '1_000'"],
    ),
    "a leading zero": (
        replaced("epochs: 2", "epochs: 012"),
        ["c.yaml:7:17: '012' has a leading zero; write 12, or '012' in quotes for a text"],
    ),
    "an infinite number": (
        GOOD + "optim: {name: sgd, learning_rate: .inf}\n",
        ["c.yaml:8:35: optim.learning_rate: must be a finite number"],
    ),
    "a number below its bound": (
        replaced("epochs: 2", "epochs: 0"),
        ["c.yaml:7:17: train.epochs: must be at least 1, not 0"],
    ),
    "BN momentum of zero": (
        replaced("norm: batch", "norm: {name: batch, momentum: 0}"),
        ["c.yaml:6:33: model.norm.momentum: must be more than 0, not 0"],
    ),
    "a negative learning rate": (
        GOOD + "optim: {name: sgd, learning_rate: -1e-3}\n",
        ["c.yaml:8:35: optim.learning_rate: must be more than 0, not -0.001"],
    ),
    "an option of another optimiser": (
        GOOD + "optim: {name: adamw, momentum: 0.9}\n",
        [
            "c.yaml:8:22: optim.momentum: unknown key; the keys here are adaptive_clip, beta1, "
            "beta2, clip_norm, decay_norm, eps, learning_rate, learning_rate_factor, name, "
            "schedule, weight_decay"
        ],
    ),
    "a layer of no kind": (
        replaced("{pool: max}", "{dense: 10}"),
        ["c.yaml:5:23: model.layers.1: a layer is {conv: CHANNELS}, {pool: max} or {dropout: 0.2}"],
    ),
    "an even kernel": (
        replaced("{conv: 16}", "{conv: 16, kernel_size: 4}"),
        ["c.yaml:5:60: model.layers.2.kernel_size: must be odd, so that the padding is symmetric"],
    ),
    "no layers": (
        replaced("[{conv: 8}, {pool: max}, {conv: 16}]", "[]"),
        ["c.yaml:5:11: model.layers: must not be empty"],
    ),
    "layers without a convolution": (
        replaced("[{conv: 8}, {pool: max}, {conv: 16}]", "[{pool: max}]"),
        ["c.yaml:5:11: model.layers: needs at least one convolution, {conv: CHANNELS}"],
    ),
    "a pooling too many": (
        replaced("{conv: 8}", "{conv: 8}, {pool: max, size: 32}"),
        [
            "c.yaml:5:46: model.layers.2: a pooling of 2 gets only 1×1 pixels; remove a "
            "pooling or a stride"
        ],
    ),
    "an unknown model": (
        replaced("name: cnn", "name: resnt"),
        [f"c.yaml:4:9: model.name: 'resnt' is not one of {KNOWN_MODELS} (did you mean 'resnet'?)"],
    ),
    "an unknown initialization": (
        replaced("norm: batch", "initialization: havier"),
        [
            "c.yaml:6:19: model.initialization.name: 'havier' is not one of he, xavier, normal "
            "(did you mean 'xavier'?)"
        ],
    ),
    "an option of another initialization": (
        replaced("norm: batch", "initialization: {name: he, std: 0.1}"),
        [
            "c.yaml:6:30: model.initialization.std: unknown key; the keys here are name, scale",
        ],
    ),
    "a depth that no residual network has": (
        "name: trial\ndata: {name: cifar10}\nmodel: {name: resnet, depth: 21}\n",
        [
            "c.yaml:3:30: model.depth: must be 6n+2, e.g. 20, 32, 44, 56 and 110; the nearest are "
            "20 and 26"
        ],
    ),
    "fixup beside a norm": (
        "name: trial\ndata: {name: cifar10}\nmodel: {name: resnet, residual: fixup}\n",
        [
            "c.yaml:3:33: model.residual: fixup stands in for the norm; set norm: none, or use "
            "zero_gamma or skipinit"
        ],
    ),
    "a depth that no VGG has": (
        "name: trial\ndata: {name: cifar10}\nmodel: {name: vgg, depth: 12}\n",
        ["c.yaml:3:27: model.depth: 12 is not one of small, 11, 13, 16, 19"],
    ),
    "a hidden layer without units": (
        "name: trial\ndata: {name: cifar10}\nmodel: {name: mlp, hidden: [256, 0]}\n",
        ["c.yaml:3:34: model.hidden.1: must be at least 1, not 0"],
    ),
    "a duplicate key": (
        GOOD + "name: again\n",
        ["c.yaml:8:1: the key 'name' is repeated here; it is already at line 1"],
    ),
    "an alias": (
        "a: &x 1\nb: *x\n",
        ["c.yaml:1:4: the anchor '&x' is not allowed; write the value out or use 'extends'"],
    ),
    "a tag": (
        "a: !!python/object:os.system ls\n",
        [
            "c.yaml:1:4: the tag 'tag:yaml.org,2002:python/object:os.system' is not allowed; "
            "write a plain value"
        ],
    ),
    "a second document": (
        GOOD + "---\nname: other\n",
        ["c.yaml:8:1: a second YAML document; a config is one document, without '---' inside"],
    ),
    "a tab": (
        "name: x\ndata:\n\tname: cifar10\n",
        ["c.yaml:3:1: not valid YAML: a tab; YAML indents with spaces"],
    ),
    "an unclosed bracket": (
        "name: [a, b\n",
        ["c.yaml:1:7: not valid YAML: the [ that opens here is not closed"],
    ),
    "an unclosed brace above other keys": (
        replaced("batch_size: 64}", "batch_size: 64"),
        ["c.yaml:2:7: not valid YAML: the { that opens here is not closed"],
    ),
    "a brace in a list that is not closed": (
        replaced("{pool: max}", "{pool: max"),
        ["c.yaml:5:23: not valid YAML: the { that opens here is not closed"],
    ),
    "an unclosed brace beside brackets in a comment and in quotes": (
        "name: {a: '}' # }\n",
        ["c.yaml:1:7: not valid YAML: the { that opens here is not closed"],
    ),
    "a pair in a list that ends with a brace": (
        "name: [? a}\n",
        ["c.yaml:1:7: not valid YAML: the [ that opens here is not closed"],
    ),
    "an unclosed quote": (
        replaced("name: trial", "name: 'trial"),
        ["c.yaml:1:7: not valid YAML: the ' that opens here is not closed"],
    ),
    "a missing comma between braces": (
        replaced("epochs: 2", "epochs: 2 seed: 1"),
        [
            "c.yaml:7:23: not valid YAML: while parsing a flow mapping, "
            "expected ',' or '}', but got ':'"
        ],
    ),
    "a no-break space after a colon": (
        replaced("epochs: 2", "epochs:\u00a02"),
        [
            "c.yaml:7:16: an invisible character here, U+00A0 (no-break space); write a normal "
            "space, or put the text in quotes if it belongs there"
        ],
    ),
    "no-break spaces as indentation": (
        replaced("  name: cnn", "\u00a0\u00a0name: cnn"),
        [
            "c.yaml:4:1: an invisible character here, U+00A0 (no-break space); write a normal "
            "space, or put the text in quotes if it belongs there"
        ],
    ),
    "a zero-width space in a key": (
        replaced("epochs: 2", "ep\u200bochs: 2"),
        [
            "c.yaml:7:11: an invisible character here, U+200B (zero width space); delete it, or "
            "put the text in quotes if it belongs there"
        ],
    ),
    "a control character": (
        "name: a\x01b\n",
        ["c.yaml:1:8: the character U+0001 is not allowed"],
    ),
    "nested too deep": (
        "a: " + "[" * 30 + "]" * 30 + "\n",
        ["c.yaml:1:23: nested deeper than 20 levels"],
    ),
    "a name that leaves the folder": (
        replaced("name: trial", "name: ../../etc"),
        ["c.yaml:1:7: name: names a folder: 1 to 80 letters, digits, dots, dashes and underscores"],
    ),
    "a name of dots": (
        replaced("name: trial", "name: .."),
        ["c.yaml:1:7: name: must begin with a letter or a digit; it names a folder"],
    ),
    "a device that is none": (
        replaced("epochs: 2", "device: gpu"),
        ["c.yaml:7:17: train.device: 'gpu' is not one of auto, cpu, mps, cuda, cuda:0, cuda:1, …"],
    ),
    "a warm-up longer than the training": (
        GOOD + "optim: {name: sgd, schedule: {name: cosine, warmup_epochs: 5}}\n",
        [
            "c.yaml:8:60: optim.schedule.warmup_epochs: the warm-up of 5 epochs is longer than "
            "the training of 2"
        ],
    ),
    "milestones that do not rise": (
        GOOD + "optim: {name: sgd, schedule: {name: step, milestones: [0.8, 0.4]}}\n",
        [
            "c.yaml:8:55: optim.schedule.milestones: must rise, each a share of the training "
            "between 0 and 1"
        ],
    ),
    "more training images than there are": (
        replaced("batch_size: 64", "train_size: 48000"),
        [
            "c.yaml:2:35: data.train_size: 48,000 is more than the 45,000 images that are left "
            "of 50,000 after val_size takes 5,000"
        ],
    ),
    "fewer images than classes": (
        replaced("batch_size: 64", "train_size: 5"),
        ["c.yaml:2:35: data.train_size: 5 images are too few for 10 classes"],
    ),
    "a last batch of one image under batch norm": (
        replaced("batch_size: 64", "train_size: 641, batch_size: 64"),
        [
            "c.yaml:2:52: data.batch_size: 641 training images leave a last batch of one image, "
            "which batch norm cannot normalize well; set data.drop_last: true or change "
            "train_size or batch_size"
        ],
    ),
    "one value per channel": (
        replaced("batch_size: 64", "batch_size: 1").replace("{pool: max}", "{pool: max, size: 32}"),
        [
            "c.yaml:5:46: model.layers.2: batch norm would see one value per channel (batch of 1, "
            "16 channels of 1×1 pixels); use a larger batch or drop_last"
        ],
    ),
    "a sweep value of the wrong kind": (
        GOOD + "sweep: {grid: {data.batch_size: [8, big]}}\n",
        [
            "c.yaml:8:37: data.batch_size: must be a whole number, not 'big' "
            "(in cell batch_size=big)"
        ],
    ),
    "a sweep over an unknown key": (
        GOOD + "sweep: {grid: {model.nrom.name: [none, batch]}}\n",
        ["c.yaml:8:16: model.nrom: unknown key (did you mean 'norm'?)"],
    ),
    "a sweep over a single value": (
        GOOD + "sweep: {grid: {model.norm.name: batch}}\n",
        ["c.yaml:8:33: sweep.grid.model.norm.name: must be a list, not 'batch'; write [batch]"],
    ),
    "a sweep over no values": (
        GOOD + "sweep: {grid: {model.norm.name: []}}\n",
        ["c.yaml:8:33: sweep.grid.model.norm.name: must not be empty"],
    ),
    "a sweep value twice": (
        GOOD + "sweep: {grid: {model.norm.name: [none, batch, none]}}\n",
        ["c.yaml:8:47: sweep.grid.model.norm.name: the value none is listed twice"],
    ),
    "a sweep over seeds in the grid": (
        GOOD + "sweep: {grid: {train.seed: [1, 2]}}\n",
        ["c.yaml:8:16: sweep.grid.train.seed: use sweep.seeds for seeds"],
    ),
    "a sweep over a key and its inside": (
        GOOD + "sweep: {grid: {model.norm: [none, batch], model.norm.eps: [1e-3, 1e-5]}}\n",
        ["c.yaml:8:43: sweep.grid.model.norm.eps: lies inside 'model.norm', which is also swept"],
    ),
    "a zip of unequal lists": (
        GOOD + "sweep: {zip: {model.norm.name: [none, batch], train.epochs: [2, 3, 4]}}\n",
        [
            "c.yaml:8:15: sweep.zip: the lists must be equally long: model.norm.name has 2, "
            "train.epochs has 3"
        ],
    ),
    "a row of a zip twice": (
        GOOD + "sweep: {zip: {model.norm.name: [none, none], train.epochs: [3, 3]}}\n",
        ["c.yaml:8:39: sweep.zip: this row is listed twice"],
    ),
    "a key in grid and zip": (
        GOOD + "sweep: {grid: {train.epochs: [1]}, zip: {train.epochs: [2]}}\n",
        ["c.yaml:8:16: sweep.grid.train.epochs: is also swept by sweep.zip"],
    ),
    "a sweep over the name": (
        GOOD + "sweep: {grid: {name: [a, b]}}\n",
        ["c.yaml:8:16: sweep.grid.name: cannot be swept"],
    ),
    "a sweep too large": (
        GOOD + "sweep: {seeds: 200, grid: {train.epochs: [2, 3], data.batch_size: [8, 16, 32]}, "
        "max_runs: 1000}\n",
        ["c.yaml:8:8: sweep: 1,200 runs are more than sweep.max_runs, 1,000"],
    ),
    "no seeds": (
        GOOD + "sweep: {seeds: 0}\n",
        ["c.yaml:8:16: sweep.seeds: must be at least 1, or a list of seeds"],
    ),
    "a text for the seeds": (
        GOOD + "sweep: {seeds: five}\n",
        [
            "c.yaml:8:16: sweep.seeds: must be a number of seeds, a list of seeds, or "
            "{min: 3, max: 20}, not 'five'"
        ],
    ),
    "a mapping for the seeds": (
        GOOD + "sweep: {seeds: {min: 3, mx: 9}}\n",
        [
            "c.yaml:8:16: sweep.seeds.max: this key is required",
            "c.yaml:8:25: sweep.seeds.mx: unknown key (did you mean 'max'?)",
        ],
    ),
    "too few seeds for a verdict": (
        GOOD + "sweep: {seeds: {min: 2, max: 9}}\n",
        ["c.yaml:8:22: sweep.seeds.min: must be at least 3, not 2"],
    ),
    "fewer seeds at most than at least": (
        GOOD + "sweep: {seeds: {min: 6, max: 5}}\n",
        ["c.yaml:8:30: sweep.seeds.max: must be at least min, 6, not 5"],
    ),
    "a text for the most seeds": (
        GOOD + "sweep: {seeds: {min: 3, max: all}}\n",
        ["c.yaml:8:30: sweep.seeds.max: must be a whole number, not 'all'"],
    ),
    "a text among the seeds": (
        GOOD + "sweep: {seeds: [1, a]}\n",
        ["c.yaml:8:16: sweep.seeds: a seed is a whole number from 0 to 2147483647, not 'a'"],
    ),
    "an empty list of seeds": (
        GOOD + "sweep: {seeds: []}\n",
        ["c.yaml:8:16: sweep.seeds: the list must not be empty; null trains train.seed alone"],
    ),
    "more seeds than there are": (
        GOOD + "sweep: {seeds: 99999999999999999}\n",
        ["c.yaml:8:16: sweep.seeds: must be at most 2147483648"],
    ),
    "a sweep value twice, written as 1 and 1.0": (
        GOOD + "sweep: {grid: {optim.weight_decay: [1, 1.0]}}\n",
        ["c.yaml:8:40: sweep.grid.optim.weight_decay: the value 1.0 is listed twice"],
    ),
    "a sweep value twice and a mistake elsewhere": (
        replaced("epochs: 2", "epochs: two") + "sweep: {grid: {data.batch_size: [8, 8]}}\n",
        [
            "c.yaml:7:17: train.epochs: must be a whole number, not 'two'",
            "c.yaml:8:37: sweep.grid.data.batch_size: the value 8 is listed twice",
        ],
    ),
    "a wrong value in the file that a wrong sweep would replace": (
        replaced("epochs: 2", "epochs: two") + "sweep: {grid: {train.epochs: [8, 8]}}\n",
        ["c.yaml:8:34: sweep.grid.train.epochs: the value 8 is listed twice"],
    ),
    "too many runs and a mistake elsewhere": (
        replaced("epochs: 2", "epochs: two") + "sweep: {seeds: 3, max_runs: 2}\n",
        [
            "c.yaml:7:17: train.epochs: must be a whole number, not 'two'",
            "c.yaml:8:8: sweep: 3 runs are more than sweep.max_runs, 2",
        ],
    ),
    "a missing base and a mistake elsewhere": (
        "extends: gone.yaml\ntrain: {epochs: two}\n",
        [
            "c.yaml:1:10: extends: no file 'gone.yaml'",
            "c.yaml:2:17: train.epochs: must be a whole number, not 'two'",
        ],
    ),
    "a swept option that the default of a section left out does not have": (
        GOOD + "sweep: {grid: {optim.beta1: [0.8, 0.9]}}\n",
        [
            "c.yaml:8:16: optim.beta1: unknown key; the keys here are adaptive_clip, clip_norm, "
            "decay_norm, learning_rate, learning_rate_factor, momentum, name, nesterov, schedule, "
            "weight_decay"
        ],
    ),
    "a list for a name": (
        replaced("norm: batch", "norm: {name: [batch]}"),
        [f"c.yaml:6:16: model.norm.name: a list is not one of {KNOWN_NORMS}"],
    ),
    "null for a name": (
        replaced("norm: batch", "norm: {name: null}"),
        [f"c.yaml:6:16: model.norm.name: empty (null) is not one of {KNOWN_NORMS}"],
    ),
    "a mapping for a name": (
        replaced("norm: batch", "norm: {name: {a: 1}}"),
        [f"c.yaml:6:16: model.norm.name: a mapping is not one of {KNOWN_NORMS}"],
    ),
    "a mapping for a choice": (
        replaced("norm: batch", "placement: {a: 1}"),
        [
            "c.yaml:6:14: model.placement: a mapping is not one of before_activation, "
            "after_activation"
        ],
    ),
    "null for the model": (
        GOOD.split("model:")[0] + "model: null\n",
        ["c.yaml:3:8: model: must be a name or a mapping with a name, not empty (null)"],
    ),
    "an image folder without its root": (
        replaced("{name: cifar10, batch_size: 64}", "image_folder"),
        ["c.yaml:2:7: data.root: must name the folder that holds train/<class>/ and test/<class>/"],
    ),
    "surrogates in a key and in values": (
        'name: "\\ud800"\n"\\udfff": 1\ndata: {root: "\\ud83d\\ude00"}\n',
        [
            "c.yaml:1:7: the character U+D800 is not allowed",
            "c.yaml:2:1: the character U+DFFF is not allowed",
            "c.yaml:3:14: the character U+D83D is not allowed",
        ],
    ),
    "a key of a section at the root": (
        GOOD + "seeds: 3\n",
        ["c.yaml:8:1: seeds: unknown key (did you mean 'sweep.seeds'?)"],
    ),
    "a seed twice": (
        GOOD + "sweep: {seeds: [1, 1]}\n",
        ["c.yaml:8:16: sweep.seeds: the same seed is listed twice"],
    ),
    "several mistakes at once": (
        replaced("epochs: 2", "epochs: two, sed: 1").replace("norm: batch", "norm: bath"),
        [
            f"c.yaml:6:9: model.norm.name: 'bath' is not one of {KNOWN_NORMS} (did you mean "
            "'batch'?)",
            "c.yaml:7:17: train.epochs: must be a whole number, not 'two'",
            "c.yaml:7:22: train.sed: unknown key (did you mean 'seed'?)",
        ],
    ),
    "mistakes in the sweep and elsewhere": (
        replaced("epochs: 2", "epochs: two") + "sweep: {seed: 3}\n",
        [
            "c.yaml:7:17: train.epochs: must be a whole number, not 'two'",
            "c.yaml:8:9: sweep.seed: unknown key (did you mean 'seeds'?)",
        ],
    ),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_config_that_the_wrong_ones_vary_is_right(here):
    (here / "c.yaml").write_text(GOOD)

    assert len(load_experiment(here / "c.yaml").runs) == 1


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_config_is_told_exactly(case, here):
    text, expected = WRONG[case]
    path = here / "c.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_experiment(path.relative_to(here))

    assert str(caught.value).splitlines() == expected
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_utf8_is_told_with_its_place(here):
    (here / "c.yaml").write_bytes(b"name: x\ntitle: caf\xe9\n")

    with pytest.raises(
        ConfigError, match=r"^.*c.yaml:2:11: not UTF-8 text; save the file as UTF-8$"
    ):
        load_experiment(here / "c.yaml")


def test_a_file_larger_than_a_config_is_refused(here):
    (here / "c.yaml").write_text("# " + "x" * 1_000_001)

    with pytest.raises(BnexpError, match="larger than 1,000,000 bytes; this is not a config"):
        load_experiment(here / "c.yaml")


def test_a_missing_file_is_told(here):
    with pytest.raises(BnexpError, match="cannot read the config: No such file or directory"):
        load_experiment(here / "none.yaml")


def test_too_many_values_are_refused_before_they_are_all_read(here):
    (here / "c.yaml").write_text("a: [" + "1, " * 30_000 + "1]\n")

    with pytest.raises(ConfigError, match="more than 15,000 values; this is not a config"):
        load_experiment(here / "c.yaml")


def test_all_that_a_message_would_write_out_is_refused_where_it_stands():
    admitted = "\t\n\r"
    unseen = [c for c in map(chr, range(0x110000)) if c not in admitted and visible(c) != c]
    unseen = [c for c in unseen if not "\ud800" <= c <= "\udfff"]  # no file holds these
    let_through = [hex(ord(c)) for c in unseen if is_read(f"name: a{c}b\n")]
    assert let_through == []


def is_read(text):
    try:
        read_yaml(text, "c.yaml")
    except ConfigError:
        return False
    return True
