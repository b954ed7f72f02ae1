import type { CommandGroup } from './command-group.ts'
import { json, onProcess } from './common-options.ts'

/** Adds the commands about the models of a running process, and about model files. */
export function addModelCommands({ program, finish }: CommandGroup): void {
  const models = program.command('models').description('shows the models of a running process, and loads new versions of them')
  models
    .command('list')
    .description('names them, with their versions')
    .addOption(onProcess())
    .addOption(json())
    .action(async (options: import('./models.ts').ModelsOptions) => finish(await (await import('./models.ts')).listModels(options)))
  models
    .command('get')
    .argument('<bee>', 'name of the bee, or swarm/bee')
    .description('shows one: what runs it and why, its versions, and why one was refused')
    .addOption(onProcess())
    .addOption(json())
    .action(async (bee: string, options: import('./models.ts').ModelsOptions) => finish(await (await import('./models.ts')).getModel(bee, options)))
  models
    .command('reload')
    .argument('[bee]', 'name of the bee, or swarm/bee; default: all')
    .description('looks for new versions now, and tries refused ones again')
    .addOption(onProcess())
    .addOption(json())
    .action(async (bee: string | undefined, options: import('./models.ts').ModelsOptions) =>
      finish(await (await import('./models.ts')).reloadModels(bee ?? null, options)),
    )

  models
    .command('convert')
    .argument('<file>', 'a SavedModel folder, or a file of TensorFlow (.pb), Keras, scikit-learn, XGBoost or LightGBM')
    .description('writes a model as ONNX, runs both on random input, and prints the difference; a pickled file runs its code')
    .option('--output <file>', 'where to; default: its name with .onnx, in the working directory')
    .option('--with <package...>', 'further packages of Python, or other versions: scikit-learn==1.5.2')
    .addOption(json())
    .action(async (file: string, options: import('./convert-model.ts').ConvertOptions) =>
      finish(await (await import('./convert-model.ts')).convertModel(file, options)),
    )

  models
    .command('setup-gpu')
    .description('brings the CUDA and TensorRT providers of onnxruntime, and says which libraries they miss here')
    .option('--check', 'only says what is there')
    .addOption(json())
    .action(async (options: import('./setup-gpu.ts').SetupGpuOptions) => finish(await (await import('./setup-gpu.ts')).setupGpu(options)))
}
