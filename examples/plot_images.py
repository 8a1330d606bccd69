"""
Convolutions whose form is found for the images
===============================================

The pixels of an image are too many and too much alike to search a formula over them. So an autoencoder makes a short code of
each image, the formula is searched over the codes, and its terms become the kernels of a convolutional network.
"""

import numpy as np
from matplotlib import pyplot
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_taskneurons import ConvTaskNeuronClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

model = ConvTaskNeuronClassifier(channels=(12, 24), max_epochs=30, random_state=0)
model.fit(X_train, y_train)
print(f"formula    {model.formula_.round(2)}")
print(f"accuracy   {model.score(X_test, y_test):.3f} on {len(X_test)} images that were not trained on")

# %%
# The candidates, and the loss of small networks of their neurons on codes that were held out; a star for the one chosen.

for candidate in model.formula_candidates_:
    mark = "*" if candidate.chosen else " "
    print(f"{candidate.loss:.3f} {mark} {candidate.formula.round(2)}")

# %%
# What is left of images in their codes: above the images, below what the autoencoder makes of sixteen numbers each.

first = [int(np.flatnonzero(y_test == label)[0]) for label in model.classes_]
images = X_test[first].reshape(-1, 8, 8)
reconstructions = model.reconstruct(X_test[first]).reshape(-1, 8, 8)
_, axes = pyplot.subplots(2, len(first), figsize=(8, 2), layout="constrained")
for row, pictures in zip(axes, [images, reconstructions], strict=True):
    for ax, picture in zip(row, pictures, strict=True):
        ax.imshow(picture, cmap="gray_r", vmin=0, vmax=16)
        ax.set_axis_off()

# %%
# The kernels of the first convolution, a column for each of its channels: first those of the elementwise terms, in the order
# of the formula, then those of the factors of products. Red is positive, blue is negative.

convolution = model.net_.module_.networks[0].blocks[0].convolution.raw()
terms = convolution.weight.detach().unbind(1)  # the images have one channel
factors = [
    kernels
    for product in convolution.products
    for factor in product.factors
    for kernels in factor.weight.detach()[:, 0].chunk(factor.n_blocks)
]
rows = {f"term {number}": kernels for number, kernels in enumerate(terms, 1)}
rows |= {f"factor {number}": kernels for number, kernels in enumerate(factors, 1)}
shape = (len(rows), len(terms[0]))
_, axes = pyplot.subplots(*shape, figsize=(8, 0.8 * len(rows)), layout="constrained", squeeze=False)
for row, (name, kernels) in zip(axes, rows.items(), strict=True):
    largest = float(kernels.abs().max())
    for ax, kernel in zip(row, kernels, strict=True):
        ax.imshow(kernel, cmap="RdBu_r", vmin=-largest, vmax=largest)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
