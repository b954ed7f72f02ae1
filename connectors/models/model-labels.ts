import { existsSync, statSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { labelsOfJson, labelsOfLines } from '../../topology/swarm/check/label-text.ts'
import type { ModelLabels } from '../../topology/swarm/ports/models.ts'
import { saidBy, WaggleError } from '../../topology/waggle-error.ts'
import { requireInFolderOf } from './model-folder.ts'
import { readRegularFile } from './tensorflow/regular-file.ts'

/**
 * The labels in a file beside a model. The file for `iris.onnx` is `iris.labels.txt`, with one label a line, or `iris.labels.json`, with a list. Null
 * if there is no such file. Throws WAGGLE_MODEL_INVALID for a file without labels, and if both files exist.
 */
export function labelsBeside(path: string): ModelLabels | null {
  const name = statSync(path).isDirectory() ? resolve(path) : join(dirname(path), basename(path, extname(path)))
  const files = [`${name}.labels.txt`, `${name}.labels.json`].filter((file) => existsSync(file))
  if (files.length > 1) {
    throw new WaggleError('WAGGLE_MODEL_INVALID', {
      message: `${files.join(' and ')} both name the labels of ${path}`,
      next: 'Delete one of these files.',
    })
  }
  return files[0] === undefined ? null : readLabels(files[0], resolve(path))
}

/** The labels in the assets of a SavedModel. Throws WAGGLE_MODEL_INVALID for a file without labels. */
export function labelsInAssets(folder: string): ModelLabels | null {
  const file = ['assets.extra', 'assets'].map((assets) => join(folder, assets, 'labels.txt')).find((path) => existsSync(path))
  return file === undefined ? null : readLabels(file, join(folder, 'saved_model.pb'))
}

function readLabels(file: string, model: string): ModelLabels {
  const isJson = file.endsWith('.json')
  try {
    requireInFolderOf(model, file)
    const text = readRegularFile(file, maxBytes).toString()
    const names = isJson ? labelsOfJson(text) : labelsOfLines(text)
    if (names !== null) return { names, from: file }
  } catch (thrown) {
    throw unreadable(file, saidBy(thrown))
  }
  throw unreadable(file, isJson ? 'it is not a JSON list of strings' : 'it is empty, or a line in it is')
}

function unreadable(file: string, why: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_INVALID', {
    message: `${file} names no labels: ${why}`,
    next: `Write ${file.endsWith('.json') ? 'a list of the labels' : 'one label on each line'} in the order of the scores, or set labels in the bee’s spec.`,
  })
}

const maxBytes = 4 * 1024 * 1024
