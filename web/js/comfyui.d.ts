/** What we use of ComfyUI's front end. */

declare module "*/scripts/app.js" {
  export const app: ComfyUI.App;
}

declare module "*/scripts/api.js" {
  export const api: ComfyUI.Api;
}

declare namespace ComfyUI {
  type Id = number | string;

  interface Widget {
    name: string;
    value: any;
    options: Record<string, any>;
    hidden?: boolean;
    serialize?: boolean;
    computeSize?: () => [number, number];
    callback?: (value: unknown) => void;
    element?: HTMLElement;
  }

  interface Slot {
    name: string;
    type: string;
    link?: Id | null;
    links?: Id[] | null;
    linkIds?: Id[];
    widget?: { name: string };
  }

  interface Link {
    id: Id;
    origin_id: Id;
    origin_slot: number;
    target_id: Id;
    target_slot: number;
  }

  /** What a node's run sent to be shown. */
  interface Output {
    text?: string | string[];
    [key: string]: any;
  }

  interface Node {
    id: Id;
    type: string;
    comfyClass?: string;
    mode: number;
    graph: Graph | null;
    subgraph?: Graph;
    pos: [number, number];
    size: [number, number];
    inputs: Slot[];
    outputs: Slot[];
    widgets?: Widget[];
    imgs?: HTMLImageElement[];
    imageIndex?: number | null;
    hideOutputImages?: boolean;
    setSize(size: [number, number]): void;
    isInputConnected(index: number): boolean;
    connect(slot: number, target: Node, input: number): void;
    addDOMWidget(name: string, type: string, element: HTMLElement, options: Record<string, unknown>): Widget;
    onAdded?: () => void;
    onConfigure?: (saved: { widgets_values?: unknown }) => void;
    onConnectionsChange?: () => void;
    onDrawBackground?: () => void;
    onExecuted?: (output: Output) => void;
    onRemoved?: () => void;
  }

  interface Graph {
    id?: string;
    nodes: Node[];
    links: Map<Id, Link>;
    inputs: Slot[];
    outputs: Slot[];
    inputNode?: { id: Id };
    outputNode?: { id: Id };
    rootGraph?: Graph;
    add(node: Node): void;
    getNodeById(id: Id): Node | null;
    getLink(id: Id | undefined): Link | undefined;
    setDirtyCanvas?(foreground: boolean, background: boolean): void;
  }

  interface Api {
    apiURL(path: string): string;
    fetchApi(path: string, options?: RequestInit): Promise<Response>;
  }

  interface Canvas {
    graph: Graph;
    read_only: boolean;
    processMouseWheel(event: WheelEvent): void;
    processMouseDown(event: PointerEvent): void;
  }

  interface ChangeTracker {
    captureCanvasState?(): void;
    checkState?(): void;
  }

  /** Where the modules without side effects look things up; `App` is one. */
  interface Source {
    graph: Graph;
    nodeOutputs?: Record<string, Output>;
    api?: Api;
  }

  interface App extends Source {
    canvas: Canvas;
    extensionManager?: {
      setting?: { get(name: string): any };
      workflow?: { activeWorkflow?: { changeTracker?: ChangeTracker } };
    };
    registerExtension(extension: {
      name: string;
      init?(): Promise<void>;
      beforeConfigureGraph?(workflow: Workflow): void;
      nodeCreated?(node: Node): void;
    }): void;
  }

  /** A node as /object_info describes it. */
  interface Definition {
    input?: { required?: Record<string, [any, ...unknown[]]>; optional?: Record<string, [any, ...unknown[]]> };
    output?: unknown[];
  }

  /** What a workflow's file holds of a graph; links are lists in older ones. */
  interface SavedGraph {
    id?: string;
    nodes?: { type: string; inputs?: Slot[]; outputs?: Slot[] }[];
    links?: (any[] | { id: Id; type: string })[];
    inputs?: Slot[];
    outputs?: Slot[];
  }

  interface Workflow extends SavedGraph {
    definitions?: { subgraphs?: SavedGraph[] };
  }

  interface GraphCanvas {
    _deserializeItems(items: SavedGraph & { subgraphs?: SavedGraph[] }, ...options: unknown[]): unknown;
  }

  interface LiteGraph {
    registered_node_types: Record<string, { nodeData: Definition }>;
    createNode(type: string): Node;
  }
}

interface Window {
  LiteGraph: ComfyUI.LiteGraph;
  LGraphCanvas: { prototype: ComfyUI.GraphCanvas };
}
