import { existsSync, realpathSync } from 'node:fs'
import { dirname, sep } from 'node:path'

/**
 * Checks that a file exists in the folder of a model or below, and that no symbolic link leads out of the folder. A model's archive may contain such
 * links. The folder itself may be a link. If the model is a link, the file may also be beside the link's target. Throws RangeError for a file outside
 * these folders.
 */
export function requireInFolderOf(model: string, file: string): void {
  const folders = [realpathSync(dirname(model)), ...(existsSync(model) ? [dirname(realpathSync(model))] : [])]
  const real = realpathSync(file)
  const isInside = folders.some((folder) => real.startsWith(folder.endsWith(sep) ? folder : folder + sep))
  if (!isInside) throw new RangeError(`${file} is a link that leads out of the model’s folder`)
}
