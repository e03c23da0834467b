import { type FileOperation, interceptFiles } from './file-operations.mjs';

/** What goes wrong with the files of one folder. Returning is going well; throwing is failing. */
export type DiskFault = (operation: FileOperation) => void;

const faults = new Map<string, DiskFault>();
let installed = false;

/** From now on every change of a file below the folder is shown to the fault first. For runs in this process. */
export function breakDisk(folder: string, fault: DiskFault): void {
  faults.set(folder, fault);
  if (installed) return;
  installed = true;
  const faultOf = (path: string) => [...faults].find(([prefix]) => path.startsWith(prefix))?.[1];
  interceptFiles({
    wants: (path) => faultOf(path) !== undefined,
    before: (operation) => faultOf(operation.path)?.(operation),
  });
}

export function healDisk(folder: string): void {
  faults.delete(folder);
}

/** An error as the system gives it. */
export function systemError(code: string, text: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${text}`), { code });
}
