import unittest
import unittest.mock

from waggle import BadResult, DevSwarm, Tensor, register_bee
from waggle.payload import Body, decode_value, encode_value

try:
    import numpy
except ImportError:
    numpy = None


@unittest.skipIf(numpy is None, "numpy is not installed")
class Arrays(unittest.TestCase):
    def result(self, value):
        return DevSwarm().call(lambda payload: value, None)

    def test_arrays_of_each_dtype_and_layout_are_sent_unchanged(self):
        picture = numpy.arange(24, dtype="u1").reshape(2, 4, 3)
        arrays = [
            picture,
            picture.transpose(2, 0, 1),
            picture[::-1, ::2],
            numpy.zeros((0, 3), "f4"),
            numpy.array(5.0),
            numpy.array([True, False]),
            numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)),
            numpy.arange(3, dtype=">i4"),
            *[numpy.arange(3, dtype=dtype) for dtype in ("i1", "i2", "i4", "i8", "u2", "u4", "u8", "f4", "f8")],
        ]
        for array in arrays:
            with self.subTest(dtype=array.dtype.str, shape=array.shape):
                got = self.result(array)
                self.assertEqual((got.shape, got.dtype), (array.shape, array.dtype.newbyteorder("=")))
                self.assertTrue((got == array).all())
                self.assertTrue(got.flags.writeable or got.size == 0)

    def test_several_arrays_are_sent_by_name_and_arrays_beside_json_become_lists(self):
        got = self.result({"ids": numpy.array([1, 2]), "mask": numpy.array([True])})
        self.assertEqual({name: array.tolist() for name, array in got.items()}, {"ids": [1, 2], "mask": [True]})
        self.assertEqual(self.result({"ids": numpy.array([1, 2]), "n": numpy.int64(2)}), {"ids": [1, 2], "n": 2})

    def test_scalars_become_json(self):
        for scalar, plain in [
            (numpy.float32(1.5), 1.5),
            (numpy.float64(1.5), 1.5),
            (numpy.int64(3), 3),
            (numpy.bool_(True), True),
            (numpy.str_("a"), "a"),
            (numpy.datetime64("2026-01-02"), "2026-01-02"),
        ]:
            self.assertEqual(self.result([scalar]), [plain])

    def test_an_array_that_no_tensor_can_represent_is_refused_with_the_next_step(self):
        for value, said in [
            (numpy.zeros(2, "f2"), r"dtype float16, which no tensor has: convert it, for example with \.astype\(numpy\.float32\)"),
            (numpy.array(["a"]), "dtype <U1"),
            (numpy.array([object()]), "dtype object"),
            (numpy.zeros(2, complex), "dtype complex128"),
            ({3: numpy.zeros(1)}, "a tensor has the name 3: names are strings"),
            ([numpy.complex64(1)], "complex64, which is no JSON"),
            ([numpy.float32("nan")], "NaN or Infinity"),
        ]:
            with self.subTest(said=said), self.assertRaisesRegex(BadResult, said):
                self.result(value)

    def test_no_byte_is_copied_on_the_way_in_or_out(self):
        array = numpy.arange(150_000, dtype="u1")
        body = Body(binary=True)
        fields = encode_value(array, body)
        self.assertTrue(numpy.shares_memory(numpy.frombuffer(body.pieces[0], "u1"), array))
        received = bytearray(array.tobytes())
        got = decode_value(fields, received)
        self.assertTrue(numpy.shares_memory(got, numpy.frombuffer(received, "u1")))
        picture = bytes(received)
        self.assertIs(decode_value({"content_type": "image/jpeg", "at": 0, "length": len(picture)}, picture), picture)

    def test_a_batch_of_arrays_with_the_same_shape_becomes_one_array(self):
        shapes = []

        @register_bee(name="sums", batch=True)
        def sums(batch):
            shapes.append(batch.shape if isinstance(batch, numpy.ndarray) else [one.shape for one in batch])
            return batch.sum(axis=1) if isinstance(batch, numpy.ndarray) else [one.sum() for one in batch]

        swarm = DevSwarm()
        self.assertEqual(swarm.call(sums, [numpy.ones(3), numpy.zeros(3)]), [3.0, 0.0])
        self.assertEqual(swarm.call(sums, [numpy.ones(3)]), [3.0])
        self.assertEqual(swarm.call(sums, [numpy.ones(3), numpy.ones(2)]), [3.0, 2.0])
        self.assertEqual(shapes, [(2, 3), (1, 3), [(3,), (2,)]])


class WithoutNumpy(unittest.TestCase):
    def test_a_tensor_is_sent_as_its_bytes(self):
        with unittest.mock.patch("waggle.payload._numpy", lambda: None):
            got = DevSwarm().call(lambda payload: Tensor("FP32", [2], b"\0\0\x80\x3f\0\0\0\x40"), None)
            self.assertEqual((got.datatype, got.shape), ("FP32", (2,)))
            self.assertEqual(memoryview(got.data).cast("f").tolist(), [1.0, 2.0])


if __name__ == "__main__":
    unittest.main()
