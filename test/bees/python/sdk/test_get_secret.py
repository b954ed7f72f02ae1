import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from waggle import MissingSecret, get_secret


class GetSecret(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterFolder())
        patch = mock.patch.dict(os.environ, {"WAGGLE_SECRETS_DIR": str(self.folder)})
        patch.start()
        self.addCleanup(patch.stop)

    def enterFolder(self) -> str:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name

    def test_a_variable_takes_precedence_over_a_file_in_the_folder(self) -> None:
        (self.folder / "db").write_text("from the file")
        self.assertEqual(get_secret("db"), "from the file")
        with mock.patch.dict(os.environ, {"WAGGLE_SECRET_DB": "from the environment"}):
            self.assertEqual(get_secret(name="db"), "from the environment")
        with mock.patch.dict(os.environ, {"WAGGLE_SECRET_db": "exact", "WAGGLE_SECRET_DB": "upper"}):
            self.assertEqual(get_secret("db"), "exact")
        with mock.patch.dict(os.environ, {"WAGGLE_SECRET_API_KEY": ""}):
            self.assertEqual(get_secret("api-key"), "")

    def test_one_newline_at_the_end_of_a_file_does_not_count(self) -> None:
        for text, secret in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a b ", " a b "), ("ä", "ä")]:
            (self.folder / "s").write_bytes(text.encode())
            self.assertEqual(get_secret("s"), secret)

    def test_the_error_for_a_missing_secret_names_the_places_and_shows_no_other_secret(self) -> None:
        (self.folder / "other").write_text("hush")
        (self.folder / "binary").write_bytes(b"\xff\xfe\xfa")
        (self.folder / "folder").mkdir()
        with self.assertRaisesRegex(MissingSecret, "There is no secret api-key: set WAGGLE_SECRET_API_KEY, or mount a file api-key in "):
            get_secret("api-key")
        for name in ("binary", "folder"):
            with self.assertRaisesRegex(MissingSecret, f"The secret {name} cannot be read"):
                get_secret(name)
        with mock.patch.dict(os.environ):
            del os.environ["WAGGLE_SECRETS_DIR"]
            with self.assertRaisesRegex(MissingSecret, "in the folder WAGGLE_SECRETS_DIR"):
                get_secret("other")
        with mock.patch.dict(os.environ, {"WAGGLE_PROTOCOL": "1"}):
            with self.assertRaisesRegex(MissingSecret, r'write env: \{WAGGLE_SECRET_API_KEY: "\{\{ secrets\.api-key \}\}"\} into its spec'):
                get_secret("api-key")

    def test_a_name_never_leaves_the_folder(self) -> None:
        for name in ("../passwd", "/etc/passwd", "a/b", "..", ".hidden", "", "a\0b", "a\nb", "x" * 300):
            with self.subTest(name=name), self.assertRaisesRegex(ValueError, "is no name of a secret"):
                get_secret(name)


if __name__ == "__main__":
    unittest.main()
