import doctest
import importlib
import os
import pkgutil
import unittest
import unittest.mock

import waggle


class Docstrings(unittest.TestCase):
    def test_the_examples_of_all_docstrings_are_right(self):
        patch = unittest.mock.patch.dict(os.environ)
        patch.start()
        self.addCleanup(patch.stop)
        attempted = 0
        for module in pkgutil.iter_modules(waggle.__path__, "waggle."):
            if module.name != "waggle.pytest_plugin":
                found = doctest.testmod(importlib.import_module(module.name))
                self.assertEqual(found.failed, 0, module.name)
                attempted += found.attempted
        self.assertGreater(attempted, 15)


if __name__ == "__main__":
    unittest.main()
