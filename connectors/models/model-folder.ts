import { existsSync, realpathSync } from 'node:fs'
import { dirname, sep } from 'node:path'

/**
 * Checks that a file in the folder of a model, or in a folder below, is really there, and that no symbolic link leads to another place of the
 * machine. A model's archive may contain such links. The folder itself may be a link. The model may be a link too, and then the file may be beside
 * the link's target. Throws RangeError for a file outside.
 */
export function requireInFolderOf(model: string, file: string): void {
  const folders = [realpathSync(dirname(model)), ...(existsSync(model) ? [dirname(realpathSync(model))] : [])]
  const real = realpathSync(file)
  const isInside = folders.some((folder) => real.startsWith(folder.endsWith(sep) ? folder : folder + sep))
  if (!isInside) throw new RangeError(`${file} is a link that leads out of the model’s folder`)
}
