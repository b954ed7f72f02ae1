import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { moduleFile } from '../../topology/module-file.ts'

const worker = new URL('file:///waggle/worker.ts')

it('A worker starts from its TypeScript source if the program runs from sources', () => {
  assert.equal(moduleFile(worker).href, worker.href)
})

it('A worker starts from its compiled file in the published package', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-module-file-'))
  try {
    const file = join(directory, 'module-file.js')
    const source = readFileSync(resolve(import.meta.dirname, '..', '..', 'topology', 'module-file.ts'), 'utf8')
    writeFileSync(join(directory, 'package.json'), '{"type":"module"}')
    writeFileSync(file, stripTypeScriptTypes(source))
    const compiled = (await import(pathToFileURL(file).href)) as { readonly moduleFile: typeof moduleFile }
    assert.equal(compiled.moduleFile(worker).href, 'file:///waggle/worker.js')
  } finally {
    rmSync(directory, { recursive: true })
  }
})
