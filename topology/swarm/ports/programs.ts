import type { PayloadType } from '../bee-type.ts'

/** Checks the programs and modules that a swarm names, without running a swarm. */
export interface Programs {
  /**
   * Loads a module in a process of its own, and looks for its bee. Throws WAGGLE_INVALID_MODULE if the module cannot be loaded, takes too long, or
   * has no such export. Returns the types that the module declares.
   */
  checkModule(module: { readonly path: string; readonly export: string }): Promise<ModuleTypes>
  /**
   * Imports a Python file in a process of its own, and looks for its bee. Throws WAGGLE_NO_PYTHON without a Python. Throws WAGGLE_INVALID_MODULE for
   * a file that is not Python, raises an exception, takes too long or has no such bee. Throws WAGGLE_PYTHON_ENVIRONMENT for requirements that cannot
   * be read. Returns the types of the function's annotations.
   */
  checkPython(bee: PythonFileToCheck): Promise<PythonTypes>
  /** Checks the program of a command. Throws WAGGLE_BEE_NOT_STARTED if the program is missing or may not be executed. */
  checkCommand(command: readonly string[], env: { readonly [name: string]: string }): Promise<void>
  /**
   * True if this machine's Docker has the image; null if no Docker answers. Throws WAGGLE_IMAGE_REFUSED, with the bee's name, for a missing image of a
   * registry that is not allowed.
   */
  hasImage(image: string, bee: string): Promise<boolean | null>
}

export interface PythonFileToCheck {
  readonly file: string
  /** The name that the file gives the bee. */
  readonly name: string
  readonly requirements: string | null
  readonly env: { readonly [name: string]: string }
  /**
   * True if another Python runs the file, such as the Python of an image. Then the file is not imported, and only parsed if this machine has a
   * Python.
   */
  readonly runsElsewhere: boolean
}

/** The types of a Python bee, by the annotations of its function. */
export interface PythonTypes extends ModuleTypes {
  /** The reason why the file cannot be imported on this machine: it needs a package that is not installed here. */
  readonly missing?: string
}

/** The types of a bee's input and output, by its module: members `input` and `output` of the bee, or exports of these names. */
export interface ModuleTypes {
  readonly input?: PayloadType
  readonly output?: PayloadType
}
