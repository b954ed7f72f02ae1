import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { requirementsOf as allowedRequirementsOf } from '../../../connectors/python/requirements.ts'

const requirementsOf = (named: string | null, beeFile: string) => allowedRequirementsOf(named, beeFile, 'anything')

describe('The requirements of a Python bee', () => {
  const root = mkdtempSync(join(tmpdir(), 'waggle-requirements-'))
  after(() => rmSync(root, { recursive: true }))
  let folders = 0

  function beside(files: { readonly [name: string]: string }): string {
    const folder = join(root, String(folders++))
    mkdirSync(folder)
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    return join(folder, 'bee.py')
  }

  it('come from a file beside the bee, and from requirements.txt rather than pyproject.toml', () => {
    const project = '[project]\ndependencies = ["numpy"]\n'
    assert.equal(requirementsOf(null, beside({})), null)
    assert.match(requirementsOf(null, beside({ 'requirements.txt': 'numpy', 'pyproject.toml': project }))?.file ?? '', /requirements\.txt$/)
    assert.equal(requirementsOf(null, beside({ 'pyproject.toml': project }))?.kind, 'pyproject')
  })

  it('are empty if no package is named', () => {
    for (const text of ['', '\n# numpy\n', '--index-url https://packages.example/\n', '-c constraints.txt', '-r empty.txt'])
      assert.equal(requirementsOf(null, beside({ 'requirements.txt': text, 'constraints.txt': 'numpy==2', 'empty.txt': '#' })), null, text)
    assert.equal(requirementsOf(null, beside({ 'pyproject.toml': '[tool.ruff]\nline-length = 100\n' })), null)
    assert.notEqual(requirementsOf(null, beside({ 'requirements.txt': '-r more.txt', 'more.txt': 'numpy' })), null)
  })

  it('are only the dependencies in the table [project] of a pyproject.toml', () => {
    for (const project of [
      '[project]\nname = "bee"\n\n[tool.pdm]\ndependencies = ["numpy"]\n',
      '[tool.poetry]\ndependencies = {}\n[project]\nname = "bee"\n',
      '[project]\nname = "bee"\n[project.optional]\ndependencies = ["numpy"]\n',
      '[project]\ndescription = """\ndependencies = [1]\n"""\n',
      '[project]\n# dependencies = ["numpy"]\n',
    ])
      assert.equal(requirementsOf(null, beside({ 'pyproject.toml': project })), null, project)
    for (const project of [
      '[ project ] # ours\r\nname = "bee"\r\ndependencies = [\r\n  "numpy",\r\n]\r\n',
      '["project"]\n  dependencies=["numpy"]\n',
    ])
      assert.equal(requirementsOf(null, beside({ 'pyproject.toml': project }))?.kind, 'pyproject', project)
  })

  it('give an error with the file and the next step if they are dynamic in a pyproject.toml', () => {
    for (const dynamic of ['["dependencies"]', '["version", \'dependencies\']', '[\n  "version",\n  "dependencies",\n]'])
      assert.throws(
        () => requirementsOf(null, beside({ 'pyproject.toml': `[project]\nname = "bee"\ndynamic = ${dynamic}\n[tool.x]\ndependencies = 1\n` })),
        {
          code: 'WAGGLE_PYTHON_ENVIRONMENT',
          message: /pyproject\.toml has dynamic dependencies/,
          next: /name a requirements\.txt as spec\.requirements/,
        },
        dynamic,
      )
    assert.equal(requirementsOf(null, beside({ 'pyproject.toml': '[project]\ndynamic = ["version"]\n' })), null)
  })

  it('may include each other in a circle', () => {
    assert.notEqual(requirementsOf(null, beside({ 'requirements.txt': '-r other.txt', 'other.txt': '-r requirements.txt\nnumpy' })), null)
  })

  it('give an error with the file if they cannot be read', () => {
    const bee = beside({ 'requirements.txt': '-r missing.txt', 'pyproject.toml': '[tool.ruff]\n' })
    assert.throws(() => requirementsOf(null, bee), { code: 'WAGGLE_PYTHON_ENVIRONMENT', message: /missing\.txt cannot be read: ENOENT/ })
    assert.throws(() => requirementsOf(join(bee, '..', 'pyproject.toml'), bee), { code: 'WAGGLE_PYTHON_ENVIRONMENT', message: /has no dependencies/ })
    assert.throws(() => requirementsOf(join(bee, '..'), bee), { code: 'WAGGLE_PYTHON_ENVIRONMENT', message: /is a directory/ })
  })

  it('are read from regular files of at most 1 MiB alone, also those that are included', () => {
    for (const text of ['-r /dev/zero', '-c /dev/zero'])
      assert.throws(() => requirementsOf(null, beside({ 'requirements.txt': text })), {
        code: 'WAGGLE_PYTHON_ENVIRONMENT',
        message: /\/dev\/zero is not a regular file/,
      })
    const bee = beside({ 'requirements.txt': '-r pipe' })
    execFileSync('mkfifo', [join(bee, '..', 'pipe')])
    assert.throws(() => requirementsOf(null, bee), { code: 'WAGGLE_PYTHON_ENVIRONMENT', message: /pipe is not a regular file/ })
    const large = beside({ 'requirements.txt': '#'.repeat(1024 * 1024 + 1) })
    assert.throws(() => requirementsOf(null, large), { code: 'WAGGLE_PYTHON_ENVIRONMENT', message: /is larger than 1048576 bytes/ })
  })
})
