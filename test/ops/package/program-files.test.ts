import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import settings from '../../../tsconfig.package.json' with { type: 'json' }

const root = resolve(import.meta.dirname, '..', '..', '..')

it('The package contains each file that is started as a thread or a child process', () => {
  const started = globSync('{bees,connectors,ops,processor,topology}/**/*.ts', { cwd: root }).flatMap((file) => {
    const source = readFileSync(join(root, file), 'utf8')
    return [...source.matchAll(/moduleFile\(new URL\('(\.[^']+)', import\.meta\.url\)\)/g)].flatMap(([, target]) =>
      target === undefined || source.slice(0, source.indexOf(target)).endsWith("`moduleFile(new URL('") ? [] : [join(file, '..', target)],
    )
  })
  assert.ok(started.length >= 6, 'no such file was found')
  const missing = [...new Set(started)].filter((file) => !settings.files.includes(file) && file !== 'topology/worker.ts')
  assert.deepEqual(missing, [], 'add them to "files" of tsconfig.package.json')
})
