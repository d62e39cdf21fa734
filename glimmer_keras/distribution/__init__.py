"""Devices, replicas and hosts that train one model together: who there is, and who does what.

It knows Keras and its backends; models, data and tasks have no place here.
"""

from glimmer_keras.distribution.devices import data_shard as data_shard
from glimmer_keras.distribution.devices import layout_map as layout_map
from glimmer_keras.distribution.devices import on_devices as on_devices
