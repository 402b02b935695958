"""A model with a badly scaled layer, as the source of a recipe: one channel of it has 256 times the range of the
others, which the layer behind it takes back. In floating point nothing is lost.
"""

SOURCE = """
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(2, 8, 3, padding=1)
            self.second = torch.nn.Conv2d(8, 8, 3, padding=1)
            self.third = torch.nn.Conv2d(8, 4, 3, padding=1)
            self.fc = torch.nn.Linear(64, 3)
            with torch.no_grad():
                self.second.weight[0] *= 256
                self.second.bias[0] *= 256
                self.third.weight[:, 0] /= 256

        def forward(self, x):
            x = torch.relu(self.first(x))
            x = torch.relu(self.second(x))
            x = torch.relu(self.third(x))
            return self.fc(x.flatten(1))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Net()
        ModelInputs = (torch.randn(1, 2, 4, 4),)
"""
