import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { WaggleError } from '../../../topology/waggle-error.ts'

/**
 * The folder of the SavedModel at a path. The path may be that folder, its `saved_model.pb`, or a folder with numbered versions. `version` chooses
 * one of the numbered versions; the default is the highest number. Null for a path that is not a folder, such as a frozen graph. Throws
 * WAGGLE_MODEL_NOT_FOUND.
 */
export function savedModelFolder(path: string, version: number | undefined): string | null {
  if (basename(path) === modelFile) return dirname(path)
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return null
  if (existsSync(join(path, modelFile)) && version === undefined) return path
  const versions = readdirSync(path).filter((name) => /^\d{1,15}$/.test(name) && existsSync(join(path, name, modelFile)))
  const highest = versions.toSorted((a, b) => Number(a) - Number(b)).at(-1)
  const found = version === undefined ? highest : versions.find((name) => Number(name) === version)
  if (found !== undefined) return join(path, found)
  const there = versions.length === 0 ? 'no version' : `the versions ${versions.toSorted((a, b) => Number(a) - Number(b)).join(', ')}`
  throw new WaggleError('WAGGLE_MODEL_NOT_FOUND', {
    message:
      version === undefined ? `${path} has no ${modelFile}, and no numbered folder with one` : `${path} has no version ${version}: it has ${there}`,
    next:
      version === undefined
        ? 'Name the folder that TensorFlow wrote, with saved_model.pb and variables/ in it, or the folder of its versions.'
        : 'Correct version in the bee’s spec, or remove version to use the highest one.',
  })
}

const modelFile = 'saved_model.pb'
