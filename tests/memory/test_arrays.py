import pytest

from glimmer_keras.memory.arrays import (
    array_names,
    open_array,
    records_in_chunk,
    shard_key,
    text_capacity,
)
from glimmer_keras.memory.manifest import Settings
from glimmer_keras.utils.location import Location


def test_chunks_of_records_divide_the_shard():
    assert [records_in_chunk(size) for size in (1, 4, 64, 1000, 1024, 97)] == [1, 4, 64, 50, 64, 1]


@pytest.mark.parametrize("dtype", ["int8", "bfloat16", "float32"])
def test_shapes_and_files(tmp_path, dtype):
    settings, location = Settings(4, 6, dtype, 10), Location(tmp_path)
    for name in array_names(settings):
        array = open_array(location, settings, name, create=True, fill_missing=True)
        part = array[0].read().result()
        assert not part.any()
        array[0].write(part).result()
        assert (tmp_path / shard_key(name, 0)).is_file()
        assert array.chunk_layout.write_chunk.shape[0] in (1, 10, 64)
    assert ("scales" in array_names(settings)) == (dtype == "int8")
    assert text_capacity(settings) == 2**24
    with pytest.raises(ValueError, match=r"shape"):
        open_array(location, Settings(5, 6, dtype, 10), "memory")
