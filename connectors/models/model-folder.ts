import { existsSync, realpathSync } from 'node:fs'
import { dirname, sep } from 'node:path'

/**
 * Checks that a file beside a model, or in its folders, leads to no other place of the machine by a symbolic link: an archive with a model may have
 * links. The folder of the model may itself be a link, and so may the model, beside whose file others may lie then. Throws RangeError for a file outside.
 */
export function requireInFolderOf(model: string, file: string): void {
  const folders = [realpathSync(dirname(model)), ...(existsSync(model) ? [dirname(realpathSync(model))] : [])]
  const real = realpathSync(file)
  const isInside = folders.some((folder) => real.startsWith(folder.endsWith(sep) ? folder : folder + sep))
  if (!isInside) throw new RangeError(`${file} is a link that leads out of the model’s folder`)
}
