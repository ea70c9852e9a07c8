"""Turns the weights of a GGUF file into a folder that vLLM serves. Runs in vLLM's environment, by its path."""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM


def main() -> None:
    """Read the GGUF file named first, a Llama, and write the folder named second."""
    file, folder = Path(sys.argv[1]), Path(sys.argv[2])
    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    # The model that was read would be saved as a GGUF again; a plain one with its weights is not.
    plain = LlamaForCausalLM(LlamaConfig.from_dict(read.config.to_dict() | {"quantization_config": None}))
    plain.load_state_dict(read.state_dict())
    plain.to(torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)


main()
